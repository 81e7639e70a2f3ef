"""What `find` returns: short, plain, well-formed scenarios; proofs with their core; and what it does not know."""

from __future__ import annotations

import json

import msgspec
import pytest

from obverse.core.events import AnyEvent, Call, Fact, Message, Reply, Result
from obverse.core.verdicts import Truth
from obverse.policy import ast
from obverse.policy.checked import Checked
from obverse.policy.evaluate import truth
from obverse.solver.answers import Act, Answer, Found, Goal, Impossible, Scenario, Undecided
from obverse.solver.find import Finder, find
from obverse.solver.settings import Settings

from .policies import policy

REFUND, CANCEL, MAIL, ANSWER = (
    Act(kind="call", tool="refund"),
    Act(kind="call", tool="cancel"),
    Act(kind="call", tool="mail"),
    Act(kind="reply"),
)


def fires(rule: str, *, no: bool = False) -> tuple[Checked, ast.Expr]:
    """The shop with this one rule, and the condition that it fires (or does not)."""
    checked = policy(f"c: {rule}")
    expr = checked.rules[0].fires
    return checked, ast.Not(body=expr) if no else expr


def answer(rule: str, act: Act, *, no: bool = False, settings: Settings | None = None) -> Answer:
    """What `find` says of the rule firing at this act."""
    checked, wish = fires(rule, no=no)
    return find(checked, Goal(head=act, wishes=(wish,)), settings=settings)


def scenario(rule: str, act: Act, *, no: bool = False) -> Scenario:
    """The scenario that `find` finds."""
    found = answer(rule, act, no=no)
    assert isinstance(found, Found), found
    return found.scenario


def arguments(found: Scenario) -> dict[str, object]:
    """The arguments of the step."""
    assert isinstance(found.step.event, Call)
    parsed: dict[str, object] = json.loads(found.step.event.arguments)
    return parsed


def kinds(found: Scenario) -> list[str]:
    """The kinds of the events of the history."""
    return [type(event).__name__ for event in found.history]


# --- short and plain ----------------------------------------------------------------------------------------------------


def test_an_amount_stands_right_at_the_threshold_and_is_whole() -> None:
    assert arguments(scenario("forbid refund when amount > 100", REFUND))["amount"] == 101
    assert arguments(scenario("forbid refund when amount >= 100", REFUND))["amount"] == 100


def test_cents_are_used_where_no_whole_number_will_do() -> None:
    amount = arguments(scenario("forbid refund when amount > 1 and amount < 2", REFUND))["amount"]
    assert 1 < float(str(amount)) < 2
    assert len(str(amount)) <= 4


def test_a_scenario_holds_no_event_that_it_does_not_need() -> None:
    found = scenario("forbid cancel(id: r) unless once find_order(id: r)", CANCEL)
    assert kinds(found) == ["Message"]
    found = scenario("forbid cancel(id: r) unless once find_order(id: r)", CANCEL, no=True)
    assert kinds(found) == ["Message", "Call", "Result"]


def test_values_that_are_joined_are_equal_and_others_are_told_apart_by_name() -> None:
    found = scenario('forbid cancel(id: r) when last find_order(id: r) has state = "open"', CANCEL)
    call = next(event for event in found.history if isinstance(event, Call))
    assert json.loads(call.arguments) == arguments(found) == {"id": "R1"}


def test_a_history_is_well_formed() -> None:
    rule = (
        'forbid refund(id: r) when last find_order(id: r) has (state = "closed" and now within 24h of placed) '
        "and count(call cancel within 1h) >= 2 and customer.verified"
    )
    found = scenario(rule, REFUND)
    history = found.history
    assert [event.id for event in history] == [f"e{number + 1}" for number in range(len(history))]
    times = [event.time for event in (*history, found.step.event)]
    assert times == sorted(times, key=lambda time: time or 0)
    calls = {event.call_id: event for event in history if isinstance(event, Call)}
    for result in (event for event in history if isinstance(event, Result)):
        assert calls[result.call_id].tool == result.tool
        assert history.index(calls[result.call_id]) < history.index(result)
    assert all(json.loads(call.arguments) for call in calls.values())
    assert any(isinstance(event, Message) for event in history)


def test_every_judged_predicate_of_a_text_is_answered() -> None:
    found = scenario("forbid reply when once message where message.says_yes", ANSWER)
    (message,) = [event for event in found.history if isinstance(event, Message)]
    assert message.labels == {"message.says_yes": True}
    assert message.text == "Yes, please."
    assert isinstance(found.step.event, Reply)
    assert set(found.step.event.labels) >= {"reply.names_a_price", "reply.refuses"}


def test_an_optional_argument_is_missing_only_where_that_is_asked() -> None:
    assert "note" not in arguments(scenario("forbid refund when amount > 1", REFUND))
    assert "note" not in arguments(scenario("require note is present for refund", REFUND))
    assert "note" in arguments(scenario("require note is present for refund", REFUND, no=True))


def test_a_message_is_left_out_only_where_that_is_asked() -> None:
    assert kinds(scenario("forbid refund unless once message", REFUND)) == []


def test_an_exceeded_limit_has_just_as_many_calls_as_it_takes() -> None:
    found = scenario("limit refund to 3 per 24h by id", REFUND)
    assert sum(isinstance(event, Call) for event in found.history) == 3


def test_a_turn_has_what_is_asked_of_it() -> None:
    found = scenario("forbid any call when turn.calls > 2 and turn has text", REFUND)
    assert [type(event).__name__ for event in found.step.turn] == ["Call", "Call", "Call", "Reply"]


@pytest.mark.parametrize(
    ("condition", "shape"),
    [
        ('to at domain "shop.example"', lambda to: to.endswith("@shop.example")),
        ('to at domain "shop.example" and to starts with "it-"', lambda to: to.startswith("it-")),
        ('to like "acct-*-x" and not to = "acct-1-x"', lambda to: to.startswith("acct-") and to.endswith("-x")),
        ('to matches "[A-Z]{3}-[0-9]{2}"', lambda to: len(to) == 6),
        ('to matches "[A-Z]{3}-[0-9]{2}" and not to contains "A" and to ends with "7"', lambda to: "A" not in to),
        ('to matches "(?i)(yes|no) please" and to starts with "YES"', lambda to: to.lower() == "yes please"),
        ("length(to) = 17", lambda to: len(to) == 17),
        ('to in ["a@x.example", "b@x.example"] and not to starts with "a"', lambda to: to == "b@x.example"),
    ],
)
def test_a_text_is_spelled_as_its_tests_demand(condition: str, shape: object) -> None:
    to = arguments(scenario(f"forbid mail when {condition}", MAIL))["to"]
    assert callable(shape)
    assert shape(to)


def test_a_failed_result_says_what_is_asked_of_it() -> None:
    found = scenario("forbid refund when last result cancel failed has length(text) > 100", REFUND)
    (result,) = [event for event in found.history if isinstance(event, Result)]
    assert result.failed
    assert len(result.output) > 100


# --- proofs -------------------------------------------------------------------------------------------------------------


def test_a_core_names_only_the_wishes_that_exclude_each_other() -> None:
    checked = policy("a: forbid refund when amount > 100", "b: forbid refund when customer.verified")
    low = ast.Compare(op="<", left=ast.Argument(name="amount"), right=ast.Number(value=50))
    wishes = (checked.rules[1].fires, checked.rules[0].fires, low)
    found = find(checked, Goal(head=REFUND, wishes=wishes))
    assert isinstance(found, Impossible)
    assert found.core == (1, 2)
    assert found.unbounded


def test_what_rests_on_the_length_of_traces_is_called_bounded() -> None:
    checked = policy("a: forbid refund when previous call cancel and not once call cancel")
    found = find(checked, Goal(head=REFUND, wishes=(checked.rules[0].fires,)))
    assert isinstance(found, Impossible)
    assert not found.unbounded
    assert "3 times" in found.origin.bound


def test_an_answer_names_who_gave_it() -> None:
    found = answer("forbid refund when amount > 100", REFUND)
    again = answer("forbid refund when amount > 101", REFUND)
    assert found.origin.solver == "z3"
    assert found.origin.version
    assert found.origin.query.startswith("sha256:")
    assert found.origin.query != again.origin.query
    assert found.origin.options == again.origin.options


def test_a_hard_question_is_undecided() -> None:
    hard = "forbid refund when amount * amount * amount = 7 and amount * amount > 3.5"
    found = answer(hard, REFUND, settings=Settings(effort=50))
    assert isinstance(found, Undecided)
    assert "time-out" in found.reason


# --- near ---------------------------------------------------------------------------------------------------------------


def differences(one: Scenario, other: Scenario) -> int:
    """How many events, or values in them, differ."""
    left, right = (*one.history, one.step.event), (*other.history, other.step.event)
    if len(left) != len(right):
        return 99
    return sum(_plain(a) != _plain(b) for a, b in zip(left, right, strict=True))


def _plain(event: AnyEvent) -> object:
    return msgspec.to_builtins(event)


def test_a_twin_differs_only_where_it_must() -> None:
    rule = (
        'forbid cancel(id: r) when last find_order(id: r) has (state = "closed" and now within 24h of placed) '
        "and customer.verified"
    )
    checked, wish = fires(rule)
    finder = Finder(checked)
    first = finder.find(Goal(head=CANCEL, wishes=(wish,)))
    assert isinstance(first, Found)
    parts = wish.items if isinstance(wish, ast.And) else (wish,)
    for flipped in range(len(parts)):
        wishes = tuple(ast.Not(body=part) if place == flipped else part for place, part in enumerate(parts))
        twin = finder.find(Goal(head=CANCEL, wishes=wishes), near=first.scenario)
        assert isinstance(twin, Found)
        assert truth(checked, wish, twin.scenario.history, twin.scenario.step) is Truth.FALSE
        assert differences(first.scenario, twin.scenario) == 1


def test_a_twin_keeps_what_its_wishes_do_not_speak_of() -> None:
    checked, wish = fires("forbid refund when amount > 100")
    given = Scenario(
        history=(
            Message(id="e1", time=1_767_607_200_000, text="Money back, now!", labels={"message.says_yes": True}),
            Fact(id="e2", time=1_767_607_200_000, name="customer.tier", value="gold"),
        ),
        step=find_step('{"id": "X-77", "amount": 250.5, "note": "late"}'),
    )
    twin = Finder(checked).find(Goal(head=REFUND, wishes=(ast.Not(body=wish),)), near=given)
    assert isinstance(twin, Found)
    kept = arguments(twin.scenario)
    assert (kept["id"], kept["note"]) == ("X-77", "late")
    assert float(str(kept["amount"])) <= 100
    texts = [event.text for event in twin.scenario.history if isinstance(event, Message)]
    assert texts == ["Money back, now!"]
    assert [event.value for event in twin.scenario.history if isinstance(event, Fact)] == ["gold"]


def find_step(text: str) -> object:
    """A step that proposes a refund with these arguments."""
    from obverse.core.events import Step

    call = Call(id="step", time=1_767_607_260_000, turn=1, call_id="c0", tool="refund", arguments=text)
    return Step(event=call, turn=(call,))


# --- determinism and speed ----------------------------------------------------------------------------------------------


def test_the_same_goals_in_the_same_order_give_the_same_bytes() -> None:
    def run() -> list[bytes]:
        checked = policy(
            'a: forbid cancel(id: r) when last find_order(id: r) has state = "closed"',
            "b: limit sum(amount) of refund to 500 per 7d",
            'c: forbid mail when to matches "[a-z]+@x.example"',
        )
        finder = Finder(checked)
        acts = (CANCEL, REFUND, MAIL)
        goals = [Goal(head=act, wishes=(rule.fires,)) for act, rule in zip(acts, checked.rules, strict=True)]
        return [msgspec.json.encode(finder.find(goal)) for goal in goals]

    assert run() == run()


def test_an_answer_does_not_rest_on_what_else_was_asked() -> None:
    checked = policy(
        "a: forbid refund when amount > 100", 'b: forbid refund when note contains "x" and id starts with "Q"'
    )
    fresh, used = Finder(checked), Finder(checked)
    used.find(Goal(head=REFUND, wishes=(checked.rules[1].fires,)))
    goal = Goal(head=REFUND, wishes=(checked.rules[0].fires,))
    assert fresh.find(goal) == used.find(goal)
