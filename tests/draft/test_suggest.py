"""From a step that should not have happened to a rule, and what it would have done to the past."""

from __future__ import annotations

import json

import pytest

from obverse.core.errors import MisuseError
from obverse.core.events import Call, Fact, Message, Step
from obverse.draft.suggest import Seen, suggest
from obverse.policy.check import check
from obverse.policy.decide import decide
from obverse.policy.parse import parse

POLICY = """---
policy: desk
---
# Desk

```terms
tool look_up(id: text) -> (owner: text) effect read
tool send(id: text, to: text, copies: integer optional, also: list of text optional) effect egress
fact user.verified: bool from host
```

## Nothing yet {#nothing}

Rules come later.
"""


def sent(name: str, to: str, *, said: str = "Send it.", looked: bool = True, **others: object) -> Seen:
    history = [Message(id="m", text=said, time=1_000), Fact(id="f", name="user.verified", value=True, time=1_500)]
    if looked:
        history.append(Call(id="l", call_id="c0", tool="look_up", arguments='{"id": "7"}', time=2_000, turn=1))
    call = Call(
        id=name, call_id="c1", tool="send", arguments=json.dumps({"id": "7", "to": to, **others}), time=3_000, turn=2
    )
    return Seen(name=name, history=tuple(history), step=Step(event=call, turn=(call,)))


GOOD = [sent(f"good-{n}", f"p{n}@ours.example", said=f"Send it to p{n}@ours.example.") for n in range(5)]


def rules(bad: list[Seen], others: list[Seen]) -> list[str]:
    return [one.rule for one in suggest(POLICY, bad, others)]


def test_a_look_up_that_was_not_made_is_found() -> None:
    found = suggest(POLICY, [sent("bad", "p9@ours.example", said="To p9@ours.example.", looked=False)], GOOD)
    # the text never came back from a tool, so it is a call that was made, not a result that was read
    assert any("copies" not in one.rule and not one.memorises for one in found)
    assert found[0].also == ()


def test_an_address_elsewhere_that_nobody_named_is_found() -> None:
    found = rules([sent("bad", "x@elsewhere.example")], GOOD)
    assert 'forbid send when not (args.to at domain "ours.example")' in found
    assert "forbid send when not (once message where (text contains args.to))" in found


def test_a_number_above_all_that_was_seen_is_found() -> None:
    others = [sent(f"good-{n}", "p@ours.example", said="p@ours.example", copies=n) for n in range(1, 4)]
    bad = [sent("bad", "p@ours.example", said="p@ours.example", copies=50)]
    assert "forbid send when args.copies > 3" in rules(bad, others)


def test_what_it_would_have_stopped_is_what_decide_says() -> None:
    others = [*GOOD, sent("far", "q@elsewhere.example", said="To q@elsewhere.example.")]
    for one in suggest(POLICY, [sent("bad", "x@elsewhere.example")], others):
        tried = check(parse(f"{POLICY}\n## Tried {{#tried}}\n\n```rule\n{one.rule}\n```\n"))
        stopped = {seen.name for seen in others if decide(tried, seen.history, seen.step).verdict.blocks}
        assert stopped == set(one.also)


def test_a_rule_that_only_repeats_a_value_says_so() -> None:
    found = suggest(POLICY, [sent("bad", "x@elsewhere.example")], GOOD)
    memorised = [one for one in found if '= "x@elsewhere.example"' in one.rule]
    assert all(one.memorises for one in memorised)
    assert any(not one.memorises for one in found)


def test_steps_that_nothing_tells_apart_get_no_rule_that_spares_the_others() -> None:
    same = sent("same", "p1@ours.example", said="Send it to p1@ours.example.")
    assert all(one.also for one in suggest(POLICY, [same], [GOOD[1]]))


def test_one_rule_is_for_one_tool() -> None:
    look = Call(id="l", call_id="c", tool="look_up", arguments='{"id": "1"}')
    other = Seen(name="look", history=(), step=Step(event=look, turn=(look,)))
    with pytest.raises(MisuseError, match="one tool"):
        suggest(POLICY, [GOOD[0], other], [])


def test_a_tool_that_nobody_declared_has_no_rule() -> None:
    call = Call(id="l", call_id="c", tool="fax", arguments="{}")
    with pytest.raises(MisuseError, match="does not declare"):
        suggest(POLICY, [Seen(name="fax", history=(), step=Step(event=call, turn=(call,)))], [])
