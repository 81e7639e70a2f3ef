"""The nearest counterfactual: what is the least that would have to be otherwise for a step to be decided otherwise?

A `Finder` looks for a scenario near to the recorded one on the other side of the policy. The differences are told as edits of
the recorded past, and each is tried: what can be left out is left out, by replay through `decide` on the whole past. So what
remains is needed, every part of it, and L06 holds. It is a least set of edits, not the only one, and not advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from obverse.core.events import AnyEvent, Approval, Call, Denied, Fact, Grant, Message, Reply, Result, Step, Thought
from obverse.core.verdicts import Verdict
from obverse.policy import ast
from obverse.policy.checked import Checked, CheckedRule
from obverse.policy.decide import call_digest, decide, speaking
from obverse.policy.reading import read_arguments, unknown_arguments
from obverse.solver.answers import Act, Found, Goal, Impossible, Scenario
from obverse.solver.edits import Edit, applied, edits_between
from obverse.solver.find import Finder
from obverse.solver.layout import needs_of

_MOST_EVENTS: Final = 40
"""Events of the recorded past that the solver is shown: the newest that the rules speak of."""
_WHOLE: Final = re.compile(r"-?[0-9]{1,15}")
_MOST_TRIED: Final = 8
"""How many rules of an allowed step are asked what would make them fire."""

Side: TypeAlias = Literal["not blocked", "blocked"]


class Counterfactual(msgspec.Struct, frozen=True, kw_only=True):
    """What would have to be otherwise for this verdict: edits of the recorded past and of the step, none of them idle."""

    verdict: Verdict
    edits: tuple[Edit, ...]


class NoCounterfactual(msgspec.Struct, frozen=True, kw_only=True):
    """None was found, and why: a proof within the bound, or a question that stayed open."""

    side: Side
    reason: str


def nearest(finder: Finder, history: Sequence[AnyEvent], step: Step) -> tuple[Counterfactual, ...] | NoCounterfactual:
    """The least that would turn the verdict: to one that does not block if this one blocks, else to one that does.

    Where people were to be asked, their approvals come first, then what would have needed none.
    """
    checked = finder.checked
    verdict = decide(checked, history, step).verdict
    people = _by_approvals(checked, history, step, verdict)
    search = _Search(finder, history, step, blocked=verdict.blocks)
    found = search.nearest()
    if isinstance(found, NoCounterfactual):
        return people or found
    return (*people, found)


class _Search:
    def __init__(self, finder: Finder, history: Sequence[AnyEvent], step: Step, *, blocked: bool) -> None:
        self.finder = finder
        self.checked = finder.checked
        self.history = history
        self.step = step
        self.blocked = blocked
        self.rules = [rule for rule, _ in speaking(self.checked, step.event)]
        self.blocking = [rule for rule in self.rules if rule.verdict is not None and rule.verdict.blocks]
        self.places = _relevant(self.rules, history)
        self.reason = "no rule that blocks speaks of such a step"

    def nearest(self) -> Counterfactual | NoCounterfactual:
        """The one with the fewest edits."""
        found = [least for wanted in self._scenarios() if (least := self._least(wanted)) is not None]
        if found:
            return min(found, key=lambda one: len(one.edits))
        return NoCounterfactual(side="not blocked" if self.blocked else "blocked", reason=self.reason)

    def _scenarios(self) -> Iterator[Scenario]:
        """Scenarios near to the recorded one, on the other side."""
        if not self.blocked:
            for rule in self.blocking[:_MOST_TRIED]:
                yield from self._near((rule.fires,))
            return
        event = self.step.event
        if isinstance(event, Call) and event.tool not in self.checked.tools:
            self.reason = f"no call of `{event.tool}` is allowed: the policy does not declare it"
            return
        permits = tuple(rule.fires for rule in self.rules if rule.kind == "permit")
        wanted: tuple[ast.Expr, ...] = tuple(ast.Not(body=rule.fires) for rule in self.blocking)
        if isinstance(event, Reply) and self.checked.default.replies == "deny":
            if not permits:
                self.reason = "no reply is allowed: the policy permits none"
                return
            wanted = (*wanted, permits[0] if len(permits) == 1 else ast.Or(items=permits))
        yield from self._near(wanted)

    def _near(self, wishes: tuple[ast.Expr, ...]) -> Iterator[Scenario]:
        act = _act(self.step)
        near = Scenario(history=tuple(self.history[place] for place in self.places), step=self.step)
        answer = self.finder.find(Goal(head=act, wishes=wishes), near=near)
        if isinstance(answer, Found):
            yield answer.scenario
        elif isinstance(answer, Impossible):
            self.reason = f"there is no such step, whatever happened before ({answer.origin.bound})"
        else:
            self.reason = answer.reason

    def _least(self, wanted: Scenario) -> Counterfactual | None:
        """What is needed of the differences: each is left out if the verdict turns without it."""
        edits = [*_declared_only(self.checked, self.step, len(self.history))]
        known = {(edit.place, edit.member) for edit in edits}
        found = edits_between(self.history, self.places, self.step, wanted)
        edits += [edit for edit in found if (edit.place, edit.member) not in known]
        edits = next((some for some in self._timings(edits) if self._verdict(some) is not None), [])
        if not edits:
            self.reason = (
                "a shorter past was found, and what differs in it does not turn the verdict after the whole one"
            )
            return None
        for edit in sorted(edits, key=_worth):
            fewer = [other for other in edits if other is not edit]
            if self._verdict(fewer) is not None:
                edits = fewer
        for place, edit in enumerate(edits):
            edits[place] = self._closest(edits, place, edit)
        verdict = self._verdict(edits)
        return None if verdict is None else Counterfactual(verdict=verdict, edits=tuple(edits))

    def _timings(self, edits: list[Edit]) -> Iterator[list[Edit]]:
        """The edits without those of times; with that of the step; with all; with a clock for the whole past.

        Times hang together: a past in which they go back, or stop, is none.
        """
        untimed = [self._at_its_place(edit) for edit in edits if edit.member != "time"]
        yield untimed
        yield [*untimed, *(edit for edit in edits if edit.member == "time" and edit.place == len(self.history))]
        yield edits
        clock = {edit.place: edit for edit in edits if edit.member == "time"}
        now = min((edit.after or "0" for edit in clock.values()), key=int, default=None)
        if now is None or any(event.time is not None for event in self.history):
            return
        for place, event in enumerate(self.history):
            now = clock[place].after if place in clock else now
            clock[place] = Edit(kind="changed", place=place, event=event, member="time", after=now)
        yield [*untimed, *(clock[place] for place in sorted(clock))]

    def _at_its_place(self, edit: Edit) -> Edit:
        """An event that is added, at the time of the one before it."""
        if edit.kind != "added" or edit.place > len(self.history):
            return edit
        events: tuple[AnyEvent, ...] = (*self.history, self.step.event)
        return msgspec.structs.replace(
            edit, event=msgspec.structs.replace(edit.event, time=events[max(0, edit.place - 1)].time)
        )

    def _closest(self, edits: Sequence[Edit], place: int, edit: Edit) -> Edit:
        """The edit of a number with the number that is closest to the recorded one, in whole steps: bisected by replay."""
        wrong, right = _whole(edit.before), _whole(edit.after)
        if wrong is None or right is None or edit.member == "time":
            return edit
        while abs(right - wrong) > 1:
            middle = (wrong + right) // 2
            tried = msgspec.structs.replace(edit, after=str(middle))
            if self._verdict([*edits[:place], tried, *edits[place + 1 :]]) is None:
                wrong = middle
            else:
                right = middle
        return msgspec.structs.replace(edit, after=str(right))

    def _verdict(self, edits: Sequence[Edit]) -> Verdict | None:
        """The verdict with these edits if it is on the other side."""
        scenario = applied(self.history, self.step, edits)
        if scenario is None:
            return None
        verdict = decide(self.checked, scenario.history, scenario.step).verdict
        return verdict if verdict.blocks is not self.blocked else None


def _worth(edit: Edit) -> int:
    """How much an edit tells: what tells least is left out first."""
    member = (edit.member or "").partition(" ")[0]
    return {"text": 0, "time": 1, "": 2, "failed": 3}.get(member, 4)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and _WHOLE.fullmatch(text) else None


def _declared_only(checked: Checked, step: Step, place: int) -> Iterator[Edit]:
    """The step without arguments that its tool does not declare."""
    event = step.event
    tool = checked.tools.get(event.tool) if isinstance(event, Call) else None
    arguments = read_arguments(event.arguments) if isinstance(event, Call) else None
    if tool is None or not isinstance(arguments, dict) or checked.default.arguments != "deny-unknown":
        return
    for name in unknown_arguments(arguments, tool.parameters):
        yield Edit(kind="changed", place=place, event=event, member=f"argument {name}")


def _by_approvals(
    checked: Checked, history: Sequence[AnyEvent], step: Step, verdict: Verdict
) -> tuple[Counterfactual, ...]:
    """So many more approvals that nobody need be asked any more."""
    if verdict is not Verdict.ASK:
        return ()
    most = max(rule.people for rule, _ in speaking(checked, step.event) if rule.kind == "ask")
    edits: list[Edit] = []
    for number in range(1, most + 1):
        approval = Approval(
            id=f"new{number}",
            time=step.event.time,
            turn=step.event.turn,
            call=call_digest(step.event),
            by=f"person {number}",
        )
        edits.append(Edit(kind="added", place=len(history), event=approval))
        scenario = applied(history, step, edits)
        found = decide(checked, scenario.history, scenario.step).verdict if scenario else verdict
        if not found.blocks:
            return (Counterfactual(verdict=found, edits=tuple(edits)),)
    return ()


def _act(step: Step) -> Act:
    event = step.event
    return Act(kind="reply") if isinstance(event, Reply) else Act(kind="call", tool=event.tool)


# --- which of the past matters ------------------------------------------------------------------------------------------


def _relevant(rules: Sequence[CheckedRule], history: Sequence[AnyEvent]) -> list[int]:
    """The places of the newest events that the rules speak of; a result stands with its call."""
    needs = [needs_of(rule.fires) for rule in rules]
    shapes = {(shape.kind, shape.name) for need in needs for shape in need.shapes}
    calls = any(need.open_tools for need in needs)
    kept: list[int] = []
    ids: set[str] = set()
    for place, event in enumerate(history):
        match event:
            case Call() | Denied() | Result():
                kind = "denied" if isinstance(event, Denied) else "call"
                wanted = calls or (kind, event.tool) in shapes
            case Fact():
                wanted = ("fact", event.name) in shapes
            case Message() | Reply() | Thought() | Approval() | Grant():
                wanted = (type(event).__name__.lower(), None) in shapes
            case _:
                wanted = False
        if wanted:
            kept.append(place)
    newest = kept[-_MOST_EVENTS:]
    for place in newest:
        event = history[place]
        if isinstance(event, Call):
            ids.add(event.call_id)
    return [place for place in newest if not isinstance(e := history[place], Result) or e.call_id in ids]
