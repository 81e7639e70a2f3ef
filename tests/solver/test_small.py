"""Small pasts suffice: what is said of `small.events` is tried on long random histories, and its proofs on longer traces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from random import Random

import msgspec
import pytest

from obverse.core.events import AnyEvent, Call, Message, Result
from obverse.policy import ast
from obverse.policy.evaluate import truth
from obverse.solver import small
from obverse.solver.answers import Act, Found, Goal, Impossible, Scenario
from obverse.solver.find import Finder, find
from obverse.solver.settings import Settings

from .policies import policy
from .randomly import ANSWER, CHECKED, PAY, Conditions, Scenarios

REFUND = Act(kind="call", tool="refund")


class LongScenarios(Scenarios):
    """Histories of up to nine things, in which a result may come long after its call."""

    def scenario(self) -> Scenario:
        found = super().scenario()
        time = found.history[-1].time if found.history else None
        history: list[AnyEvent] = []
        late: list[Result] = []
        at = (time or 0) - 400_000
        for number in range(self.random.randrange(2, 10)):
            at += self.random.choice([0, 30_000, 60_000, 61_000])
            for event in self._thing(number, at):
                if isinstance(event, Result) and self.random.random() < 0.4:
                    late.append(event)
                else:
                    history.append(event)
            if late and self.random.random() < 0.5:
                history.append(msgspec.structs.replace(late.pop(0), time=at))
        history += [msgspec.structs.replace(event, time=at) for event in late]
        named = tuple(self._with_id(event, f"e{number}") for number, event in enumerate(history))
        step = self._step(at + self.random.choice([0, 30_000, 60_000, 61_000]))
        return Scenario(history=named, step=step)


def parts(history: Sequence[AnyEvent], most: int) -> Iterator[tuple[AnyEvent, ...]]:
    """Every choice of at most so many events; a result brings its call, which comes right before it."""
    calls = {event.call_id: event for event in history if isinstance(event, Call)}
    for size in range(most + 1):
        for chosen in combinations(history, size):
            owed = {event.call_id for event in chosen if isinstance(event, Result)}
            events: list[AnyEvent] = []
            for event in chosen:
                if isinstance(event, Result):
                    events.append(msgspec.structs.replace(calls[event.call_id], time=event.time))
                if not (isinstance(event, Call) and event.call_id in owed):
                    events.append(event)
            if len(events) <= most:
                yield tuple(events)


def shown_by_few(wishes: Sequence[ast.Expr], scenario: Scenario, most: int) -> bool:
    """Whether some few of the events give every wish the truth that it has."""
    meant = [truth(CHECKED, wish, scenario.history, scenario.step) for wish in wishes]
    return any(
        [truth(CHECKED, wish, history, scenario.step) for wish in wishes] == meant
        for history in parts(scenario.history, most)
    )


def tried(seed: int, act: Act, count: int) -> int:
    """How many conditions about the past were tried, each on some long histories."""
    random = Random(f"{seed} {act.kind}")
    done = 0
    for _ in range(count):
        wishes = [Conditions(random, act).condition(3) for _ in range(random.choice([1, 1, 2]))]
        most = small.events(wishes, lambda _: True)
        if most is None or not 0 < most <= 5:
            continue
        done += 1
        for _ in range(6):
            scenario = LongScenarios(random, act).scenario()
            assert shown_by_few(wishes, scenario, most), (most, wishes, scenario)
    return done


@pytest.mark.parametrize("act", [PAY, ANSWER], ids=["a call", "a reply"])
def test_few_events_show_whatever_many_show(act: Act) -> None:
    assert tried(1, act, 500) > 60


COVERED = {
    "an event": ("once find_order", 2),
    "an event with a condition about facts": ("once call cancel where customer.verified", 2),
    "no event": ("not once call cancel", 1),
    "the newest": ("last find_order has total > 3", 2),
    "the newest of some": ('last find_order where state = "open" has total > 3', 4),
    "the same twice": ("once call cancel and not once call cancel", 1),
    "none since": ("no call cancel since message", 2),
    "a count": ("count(call cancel within 1h) >= 2", 3),
    "a fact": ('customer.tier = "gold"', 1),
    "an event after an event": ("once call cancel where once message", 2),
    "a list": ("any x in [1, 2]: amount > x", 0),
}
NOT_COVERED = {
    "the event just before": "previous result find_order",
    "at every event since": "customer.verified since message",
    "a sum": "sum(args.amount of call refund) > 3",
    "a count without a number": "count(call cancel) > amount",
    "two counts": "count(call cancel) > count(call refund)",
    "a tool that is not named": "once any call with effect write",
    "calls and results of one tool": "once find_order and count(call find_order) = 0",
    "an event that leads back to itself": "once call cancel where once call cancel",
    "three deep": "once call cancel where once message where once reply",
    "an operator for each element": "last find_order has any x in items: once call cancel(id: x.sku)",
}


def condition(text: str) -> ast.Expr:
    return policy(f"a: forbid refund when {text}").rules[0].fires


@pytest.mark.parametrize(("text", "most"), COVERED.values(), ids=COVERED)
def test_how_many_events_suffice(text: str, most: int) -> None:
    assert small.events([condition(text)], lambda _: True) == most


@pytest.mark.parametrize("text", NOT_COVERED.values(), ids=NOT_COVERED)
def test_where_nothing_is_said(text: str) -> None:
    assert small.events([condition(text)], lambda _: True) is None


def test_a_limit_keeps_its_calls_unless_something_else_speaks_of_them() -> None:
    limit = policy("a: limit refund to 3 per 24h").rules[0].fires
    assert small.events([limit], lambda _: True) == 3
    assert small.events([limit, condition("once call refund")], lambda _: True) is None
    assert small.events([limit, condition("once call cancel")], lambda _: True) == 4


def test_elements_are_counted_for_each_time_that_they_are_looked_at() -> None:
    once = condition("last find_order has any x in items: x.price > amount")
    assert small.elements([once], 2) == 3
    assert small.elements([condition("last find_order has length(items) > 2")], 2) is None
    assert small.elements([condition("amount in [1, 2]")], 2) == 0


PROVED = {
    "a look-up and none": "once find_order and not once find_order",
    "a shorter window": "once call cancel within 1h and not once call cancel within 2h",
    "a count and none": "count(call cancel) > 1 and not once call cancel",
    "the newest of two kinds": 'last find_order has state = "open" and last find_order has state = "closed"',
    "none since, and one": "no call cancel since call cancel and not once call cancel",
    "an element": "last find_order has any x in items: (x.price > 3 and x.price < 2)",
    "five events": " and ".join(f'once message where text = "{n}"' for n in range(5)) + " and not once message",
}
BOUNDED = {
    "previous": "previous result find_order and not once find_order",
    "since": "amount > 5 since message and not once message",
    "sums": "sum(args.amount of call refund) > 5 and not once call refund",
    "how long a list is": "last find_order has (length(items) > 1 and not any x in items: x.price < 0 or x.price >= 0)",
}


@pytest.mark.parametrize("text", PROVED.values(), ids=PROVED)
def test_what_is_proved_without_a_bound(text: str) -> None:
    checked = policy(f"a: forbid refund when {text}")
    found = find(checked, Goal(head=REFUND, wishes=(checked.rules[0].fires,)))
    assert isinstance(found, Impossible)
    assert found.unbounded


@pytest.mark.parametrize("text", BOUNDED.values(), ids=BOUNDED)
def test_what_keeps_its_bound(text: str) -> None:
    checked = policy(f"a: forbid refund when {text}")
    found = find(checked, Goal(head=REFUND, wishes=(checked.rules[0].fires,)))
    assert isinstance(found, Impossible)
    assert not found.unbounded


def test_what_was_impossible_for_want_of_room_is_found_in_a_longer_trace() -> None:
    texts = " and ".join(f'once message where text = "{n}"' for n in range(5))
    checked = policy(f"a: forbid refund when {texts}")
    found = find(checked, Goal(head=REFUND, wishes=(checked.rules[0].fires,)), settings=Settings(rounds=1))
    assert isinstance(found, Found)
    assert len([event for event in found.scenario.history if isinstance(event, Message)]) >= 5


@pytest.mark.parametrize("act", [PAY, ANSWER], ids=["a call", "a reply"])
def test_no_longer_trace_shows_what_is_proved_impossible(act: Act) -> None:
    random = Random(f"proof {act.kind}")
    short, long = Finder(CHECKED, Settings(rounds=2)), Finder(CHECKED, Settings(rounds=6, list_length=5))
    proved = 0
    for _ in range(140):
        one, other = (Conditions(random, act).condition(2) for _ in range(2))
        goal = Goal(head=act, wishes=(one, other, ast.Not(body=ast.And(items=(one, other)))))
        goal = random.choice([goal, Goal(head=act, wishes=(one, ast.Not(body=other)))])
        found = short.find(goal)
        if isinstance(found, Impossible) and found.unbounded:
            proved += 1
            assert not isinstance(long.find(goal), Found), goal
    assert proved > 20
