"""`why`: the part that each rule had, and the least that would have turned the verdict, tried by `decide`."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from obverse.core.events import AnyEvent, Approval, Call, Message, Reply, Result, Step
from obverse.core.verdicts import Truth, Verdict
from obverse.policy.check import check
from obverse.policy.decide import call_digest, decide
from obverse.policy.parse import parse
from obverse.solver.edits import Edit, applied, edits_between
from obverse.solver.why import Why, why

from .policies import policy
from .randomly import ANSWER, PAY, Scenarios

SHOP = policy(
    "large: forbid refund when amount > 100",
    "ask: ask refund when amount > 50 by 2 people",
    "looked: forbid cancel(id: r) unless once find_order(id: r)",
    "mail: forbid mail unless last message has message.says_yes trusting judge",
    "kind: permit refund when amount < 20",
    "one: warn any call when turn has text",
)


def call(tool: str, arguments: str, *beside: Call | Reply) -> Step:
    """A step of this call alone, or of a turn."""
    event = Call(id="step", call_id="c9", tool=tool, arguments=arguments)
    return Step(event=event, turn=(event, *beside))


def parts(found: Why) -> dict[str, str]:
    """The part of each rule."""
    return {told.rule: told.part for told in found.rules}


def replayed(history: tuple[AnyEvent, ...], step: Step) -> Why:
    """The answer; every counterfactual turns the verdict, and no edit of it is idle."""
    found = why(SHOP, history, step)
    for way in found.nearest:
        scenario = applied(history, step, way.edits)
        assert scenario is not None
        assert decide(SHOP, scenario.history, scenario.step).verdict is way.verdict
        assert way.verdict.blocks is not found.verdict.blocks
        for edit in way.edits:
            fewer = applied(history, step, [one for one in way.edits if one is not edit])
            assert fewer is None or decide(SHOP, fewer.history, fewer.step).verdict.blocks is found.verdict.blocks
    return found


def edits(found: Why) -> list[tuple[str, str | None, str | None]]:
    """The edits of the last way."""
    return [(edit.kind, edit.member, edit.after) for edit in found.nearest[-1].edits]


def test_each_rule_that_speaks_has_its_part_told() -> None:
    found = replayed((), call("refund", '{"id": "R1", "amount": 120}'))
    assert found.verdict is Verdict.DENY
    assert parts(found) == {"large/1": "fired", "ask/1": "fired", "kind/1": "silent", "one/1": "silent"}
    assert [told.rule for told in found.rules][:2] == ["large/1", "ask/1"]
    (condition,) = found.rules[0].conditions
    assert (condition.text, condition.value) == ("amount > 100", Truth.TRUE)
    assert found.rules[0].text == "forbid refund when amount > 100"


def test_a_number_is_moved_no_further_than_it_must() -> None:
    found = replayed((), call("refund", '{"id": "R1", "amount": 120}'))
    assert edits(found) == [("changed", "argument amount", "50")]
    assert edits(replayed((), call("refund", '{"id": "R1", "amount": 20}'))) == [("changed", "argument amount", "51")]


def test_approvals_are_the_first_way_where_people_are_asked() -> None:
    step = call("refund", '{"id": "R1", "amount": 60}')
    one = Approval(id="a1", call=call_digest(step.event), by="anna")
    assert [edit.kind for edit in replayed((), step).nearest[0].edits] == ["added", "added"]
    found = replayed((one,), step)
    assert [edit.kind for edit in found.nearest[0].edits] == ["added"]
    assert found.approvals == (one,)
    assert len(found.nearest) == 2
    two = Approval(id="a2", call=call_digest(step.event), by="bert")
    assert parts(replayed((one, two), step))["ask/1"] == "approved"


def test_an_event_that_is_missing_is_added() -> None:
    history = (Message(id="e1", text="Cancel R1."),)
    found = replayed(history, call("cancel", '{"id": "R1"}'))
    assert {type(edit.event) for edit in found.nearest[0].edits} == {Call, Result}
    assert {edit.kind for edit in found.nearest[0].edits} == {"added"}


def test_what_nearly_was_there_is_changed_instead() -> None:
    history = (
        Call(id="e1", call_id="c1", tool="find_order", arguments='{"id": "R2"}'),
        Result(id="e2", call_id="c1", tool="find_order", output="{}"),
    )
    assert edits(replayed(history, call("cancel", '{"id": "R1"}'))) == [("changed", "argument id", '"R2"')]


def test_an_answer_that_a_judge_did_not_give_is_what_was_lacking() -> None:
    history = (Message(id="e1", text="Yes."),)
    found = replayed(history, call("mail", '{"to": "a@b.org", "body": "x"}'))
    assert (found.verdict, found.certain) == (Verdict.DENY, Verdict.ALLOW)
    assert found.rules[0].value is Truth.UNKNOWN
    assert found.rules[0].unknowns[0].what == "message.says_yes"
    assert found.rules[0].events == history
    assert edits(found) == [("changed", "label message.says_yes", "true")]


def test_what_is_proposed_beside_a_step_is_taken_away() -> None:
    checked = policy("one: forbid any call when turn has text")
    step = call("cancel", '{"id": "R1"}', Reply(id="said", text="One moment."))
    (way,) = why(checked, (), step).nearest
    assert [(edit.kind, edit.event.id) for edit in way.edits] == [("removed", "said")]


def test_an_argument_that_nobody_declared_is_left_out() -> None:
    found = replayed((), call("refund", '{"id": "R1", "amount": 5, "extra": true}'))
    assert found.defaults == ("@arguments",)
    assert edits(found) == [("changed", "argument extra", None)]


def test_a_tool_that_nobody_declared_has_no_way() -> None:
    found = replayed((), call("launch", "{}"))
    assert found.defaults == ("@calls",)
    assert found.otherwise is not None
    assert "does not declare" in found.otherwise.reason


def test_a_step_that_no_rule_can_allow_or_block_has_no_way() -> None:
    never = policy("no: forbid refund", "note: warn cancel")
    found = why(never, (), call("refund", '{"id": "R1", "amount": 5}'))
    assert found.otherwise is not None
    assert "whatever happened before" in found.otherwise.reason
    found = why(never, (), call("cancel", '{"id": "R1"}'))
    assert found.otherwise is not None
    assert found.otherwise.side == "blocked"


def test_malformed_arguments_and_replies_by_default_are_explained() -> None:
    found = replayed((), call("refund", "{"))
    assert "@malformed" in found.defaults
    said = "---\npolicy: p\ndefault: {replies: deny}\n---\n# P\n\n## C {#c}\n\nNo.\n"
    reply = Reply(id="step", text="Hello.")
    found = why(check(parse(said)), (), Step(event=reply, turn=(reply,)))
    assert (found.defaults, found.verdict) == (("@replies",), Verdict.DENY)
    assert found.otherwise is not None
    assert "permits none" in found.otherwise.reason


def test_only_the_reasons_can_be_asked_for() -> None:
    found = why(SHOP, (), call("refund", '{"id": "R1", "amount": 120}'), turned=False)
    assert (found.nearest, found.otherwise) == ((), None)


# --- edits --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", [PAY, ANSWER], ids=["a call", "a reply"])
@pytest.mark.parametrize("seed", range(40))
def test_all_edits_together_make_the_other_scenario(seed: int, act: object) -> None:
    random = Random(f"edits {seed} {act}")
    one, other = (Scenarios(random, act).scenario() for _ in range(2))  # type: ignore[arg-type]  # one of the two acts
    made = applied(one.history, one.step, edits_between(one.history, range(len(one.history)), one.step, other))
    if made is None:  # the times of the two lie otherwise
        return
    assert [_bare(event) for event in made.history] == [_bare(event) for event in other.history]
    assert _bare(made.step.event) == _bare(other.step.event)


def _bare(event: AnyEvent) -> str:
    """An event without the names that differ between transcripts."""
    plain = msgspec.to_builtins(event)
    for name in ("arguments", "output"):
        if name in plain and plain[name].startswith("{"):
            plain[name] = sorted(msgspec.json.decode(plain[name]).items())
    return str(sorted((key, value) for key, value in plain.items() if key not in ("id", "call_id", "turn", "origin")))


def test_a_past_that_makes_no_sense_is_none() -> None:
    history = (
        Call(id="e1", call_id="c1", tool="find_order", arguments="{}", time=5),
        Result(id="e2", call_id="c1", tool="find_order", output="{}", time=6),
    )
    step = call("cancel", "{}")
    timed = Edit(kind="changed", place=2, event=step.event, member="time", after="7")
    assert applied(history, step, [timed]) is not None
    assert applied(history, step, []) is None  # an act without a time after events that had one
    assert applied(history, step, [timed, Edit(kind="removed", place=0, event=history[0])]) is None
