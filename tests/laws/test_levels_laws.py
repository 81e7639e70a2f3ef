"""Law L02 across levels: a lower level may only tighten, since a rule more never loosens a verdict, whatever its kind and level.

One construct is an exception, and says so in the front matter: where `default: {replies: deny}` stands, a permit of replies is
what opens them. The front matter belongs to no level, so such a permit is no level loosening another.
"""

from __future__ import annotations

import random

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obverse.core.events import AnyEvent, Reply, Step
from obverse.core.verdicts import Verdict
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.parse import parse
from obverse.policy.steps import steps_of, turns_of
from obverse.testing.strategies import checked_policies, histories

ENOUGH = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))

CLOSED = """---
policy: closed
version: 1
levels: [owner, clerk]
default: {replies: deny}
---
# Closed

## No prices {#prices level=owner}

```rule
forbid reply when text contains "price"
```

## Answers {#answers level=clerk}

```rule
permit reply when length(text) > 3
```
"""


@given(checked_policies(), histories(), st.randoms(use_true_random=False))
@ENOUGH
def test_L02_what_a_lower_level_adds_never_loosens(
    checked: Checked, events: tuple[AnyEvent, ...], dice: random.Random
) -> None:
    added = {rule.id for rule in checked.rules if dice.random() < 0.5}
    closed = checked.default.replies == "deny"
    kept = tuple(rule for rule in checked.rules if rule.id not in added or (closed and rule.kind == "permit"))
    higher = msgspec.structs.replace(checked, rules=kept)
    history: list[AnyEvent] = []
    for item in turns_of(events):
        turn = item if isinstance(item, tuple) else ()
        for step in steps_of(turn):
            alone, both = decide(higher, tuple(history), step), decide(checked, tuple(history), step)
            assert both.verdict.strictness >= alone.verdict.strictness
        history += turn or [item]  # type: ignore[list-item]  # an event, where it is no turn


def test_L02_only_a_permit_opens_replies_that_the_front_matter_closes_and_no_rule() -> None:
    checked = check(parse(CLOSED))
    said = {text: Reply(id="r", text=text) for text in ("no", "hello", "the price is 5")}
    verdicts = {text: decide(checked, (), Step(event=one, turn=(one,))).verdict for text, one in said.items()}
    assert verdicts == {"no": Verdict.DENY, "hello": Verdict.ALLOW, "the price is 5": Verdict.DENY}
