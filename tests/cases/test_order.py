"""Changes to the order of events: made, found again from two histories, and never seen by what cannot see them."""

from __future__ import annotations

import pytest

from obverse.cases.altering import Altering
from obverse.cases.blindness import cannot_see
from obverse.cases.invert import invert
from obverse.cases.obligations import plan_of
from obverse.cases.order import CHANGES, Change, differences, happenings, is_about, looks_of
from obverse.cases.records import Case
from obverse.cases.scene import numbered
from obverse.cases.sight import Sight
from obverse.core.events import AnyEvent, Call, Message, Reply, Result

from .policies import deep, policy, suite

RULES = ("looked up", "window", "newest", "limit", "untouched", "confirmed", "exception")


def look_up(number: int, output: str = "{}", time: int = 0) -> tuple[Call, Result]:
    call = Call(
        id=f"c{number}", time=time, call_id=f"k{number}", tool="find_booking", arguments=f'{{"id": "B{number}"}}'
    )
    return call, Result(id=f"r{number}", time=time, call_id=f"k{number}", tool="find_booking", output=output)


def test_a_result_stays_with_its_call() -> None:
    said = Message(id="m", text="Hello.")
    parts = happenings((*look_up(1), said, *look_up(2)))
    assert [len(part.events) for part in parts] == [2, 1, 2]


A, B, C = look_up(1), look_up(2), (Message(id="m", time=0, text="Hello."),)
PASTS: dict[str, tuple[tuple[AnyEvent, ...], tuple[AnyEvent, ...], set[Change]]] = {
    "swapped": ((*A, *C, *B), (*B, *C, *A), {"swap"}),
    "neighbours": ((*A, *B), (*B, *A), {"swap", "outside"}),
    "moved forward": ((*A, *B, *C), (*C, *A, *B), {"outside"}),
    "left out": ((*A, *B), A, {"omit"}),
    "twice": ((*A, *B), (*A, *A, *B), {"repeat"}),
    "between": (A, (*A, *B), {"between"}),
    "put first": (A, (*B, *A), set()),
    "the same": ((*A, *B), (*A, *B), set()),
    "older": (A, look_up(1, time=-3_000), {"outside"}),
    "older, inside": (A, look_up(1, time=-1_000), set()),
    "two left out": ((*A, *B, *C), C, set()),
}


@pytest.mark.parametrize("name", PASTS)
def test_the_change_between_two_pasts_is_found_from_the_pasts(name: str) -> None:
    one, other, wanted = PASTS[name]
    assert {each.change for each in differences(one, other, 2_000, 0)} == wanted


@pytest.mark.parametrize("rule", RULES)
def test_every_changed_past_is_recognised_as_that_change_of_that_look(rule: str) -> None:
    checked = policy(rule)
    plan = plan_of(checked.rules[0], checked)
    altering, made = Altering(checked, plan.rule, "x"), 0
    for case in suite(rule).cases:
        now = case.step.event.time
        for look in looks_of(plan):
            for change in look.changes:
                for past in altering.pasts(change, look, case.history, now):
                    made += 1
                    history, _ = numbered(past, case.step)
                    times = [event.time for event in history if event.time is not None]
                    assert times == sorted(times)
                    found = differences(case.history, history, look.window, now)
                    assert any(each.change == change and is_about(each, look, checked) for each in found), change
                    assert len({e.call_id for e in history if isinstance(e, Call)}) == sum(
                        isinstance(e, Call) for e in history
                    )
    assert made


@pytest.mark.parametrize("rule", RULES)
def test_what_cannot_be_seen_never_turns_the_look(rule: str) -> None:
    """The table of `cannot_see`, held against the evaluator on every past that can be made of the cases at full depth."""
    checked = policy(rule)
    plan = plan_of(checked.rules[0], checked)
    altering, tried = Altering(checked, plan.rule, "y"), 0
    for case in deep(rule).cases:
        for look in looks_of(plan):
            for change in CHANGES:
                if cannot_see(look, change) is None or change not in look.changes:
                    continue
                tried += 1
                before = Sight(checked, case.history, case.step)
                for past in altering.pasts(change, look, case.history, case.step.event.time):
                    after = Sight(checked, *numbered(past, case.step))
                    for number in look.outer:
                        expr = plan.conditions.outer[number].expr
                        assert before.truth(expr) is after.truth(expr)
    assert tried


def texts(case: Case) -> list[str]:
    return [event.text for event in case.history if isinstance(event, Message | Reply)]


def test_orders_of_what_is_said_keep_what_is_said() -> None:
    found = deep("confirmed")
    by_id = {case.id: case for case in found.cases}
    swapped = [case for case in found.cases if case.varied in by_id and case.obligation.value == "swap"]
    assert swapped
    for case in swapped:
        assert sorted(texts(case)) == sorted(texts(by_id[case.varied or ""]))


def test_a_long_history_is_varied_so_often_and_no_more() -> None:
    import msgspec

    from .policies import FULL

    few = invert(policy("limit"), settings=msgspec.structs.replace(FULL, orders=0))
    assert few.coverage.levels["order"].open > 0  # type: ignore[index]  # a level is its text
    assert all(one.reason for one in few.open)
