"""What was stopped once becomes a case, and says what the policy says of it now."""

from __future__ import annotations

from obverse.cases.files import read_cases, write_cases
from obverse.cases.regression import regressions
from obverse.core.events import AnyEvent, Call, Message, Result, Step
from obverse.core.verdicts import Verdict
from obverse.policy.check import check
from obverse.policy.checked import Checked
from obverse.policy.decide import decide
from obverse.policy.parse import parse

POLICY = """---
policy: till
---
# Till

```terms
tool look(id: text) -> (owner: text) effect read
tool pay(to: text, amount: number) effect money
```

## Payments {#pay}

```rule
forbid pay when amount > 100
forbid pay unless once look
```
"""


def till(text: str = POLICY) -> Checked:
    return check(parse(text))


def paying(amount: int, tool: str = "pay") -> tuple[list[AnyEvent], Step]:
    history: list[AnyEvent] = [
        Message(id="s-1", text="Pay Anna.", time=1_000_000),
        Call(id="s-2", call_id="c1", tool="look", arguments='{"id": "a"}', time=1_001_000, turn=1),
        Result(id="s-3", call_id="c1", tool="look", output='{"owner": "anna"}', time=1_002_000, turn=1),
    ]
    call = Call(
        id="s-4", call_id="c2", tool=tool, arguments=f'{{"to": "anna", "amount": {amount}}}', time=1_003_000, turn=2
    )
    return history, Step(event=call, turn=(call,))


def test_a_blocked_step_is_a_case_that_the_policy_blocks_for_the_same_reason() -> None:
    found = regressions(till(), [("one", *paying(120))])
    (case,) = found.cases
    assert (case.clause, case.verdict, case.clauses) == ("pay", Verdict.DENY, ("pay",))
    assert decide(till(), case.history, case.step).verdict is case.verdict
    assert case.script[0].text == "Pay Anna."


def test_the_file_of_cases_reads_back() -> None:
    cases = regressions(till(), [("one", *paying(120)), ("two", *paying(130))]).cases
    assert tuple(read_cases(write_cases(cases))) == cases


def test_the_same_thing_twice_is_one_case() -> None:
    found = regressions(till(), [("one", *paying(120)), ("two", *paying(120))])
    assert (len(found.cases), found.repeated) == (1, 1)


def test_a_step_that_the_policy_lets_through_now_is_told_apart() -> None:
    found = regressions(till(POLICY.replace("> 100", "> 200")), [("one", *paying(120))])
    assert not found.cases
    assert [(one.name, one.why) for one in found.left] == [("one", "allowed by this policy")]


def test_a_step_that_only_a_default_blocks_breaks_no_clause() -> None:
    found = regressions(till(), [("one", *paying(120, tool="payy"))])
    assert [one.why for one in found.left] == ["blocked by a default of the front matter only"]
