"""Cases as cards: a case and its twin side by side, what differs marked, and the trials that were not kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Literal

import msgspec

from obverse.campaign.records import CaseLine, Tally, Trial
from obverse.cases.records import Case
from obverse.core.events import AnyEvent, Fact, Message, System
from obverse.core.verdicts import Outcome, Side, Verdict
from obverse.report.acts import Line, Piece, act, around, line, plain
from obverse.report.pairs import compared, paired
from obverse.report.views import Card, CaseRow, CaseView, Room, Term, TrialView
from obverse.report.visible import one_line, shown
from obverse.report.wording import count, moment, tally

_OF = {Side.VIOLATION: "the forbidden act", Side.OVER_REFUSAL: "the allowed act"}
_HERE = {Side.VIOLATION: "this broke the clause", Side.OVER_REFUSAL: "the allowed act did not come"}


def cards(
    cases: Sequence[CaseLine], known: Mapping[str, CaseLine], room: Room
) -> tuple[tuple[Card, ...], tuple[CaseRow, ...], str]:
    """Cards for the first pairs, rows for those that follow, and how many cases stand in neither."""
    pairs = list(paired(cases, known))
    first, rest = pairs[: room.cards], pairs[room.cards :]
    alone = [line for pair in rest for line in pair if line is not None]
    left = len(alone) - room.rows
    return (
        tuple(_card(case, twin, room) for case, twin in first),
        tuple(_row(case) for case in islice(alone, room.rows)),
        f"{count(left, 'more case')} in the JSON beside this page" if left > 0 else "",
    )


def worst(of: Tally) -> str:
    """The outcome that matters most; `untried` where there is none."""
    parts = (("broken", of.broken), ("error", of.error), ("unscored", of.unscored), ("kept", of.kept))
    return next((name for name, number in parts if number), "untried")


def title(case: Case) -> str:
    """What this case is about, on one line: the condition that it turns, or the act."""
    turned = case.flipped or case.obligation.condition
    value = f" ({case.obligation.value})" if case.obligation.value else ""
    return one_line(f"{turned}{value}" if turned else act(case.step.event), 140)


def expectation(case: Case) -> str:
    """Whether the act must come or not, with the word of the verdict."""
    if case.side is Side.OVER_REFUSAL:
        return "must come (allow)"
    return f"must not come{' without a person' if case.verdict is Verdict.ASK else ''} ({case.verdict})"


def _row(of: CaseLine) -> CaseRow:
    return CaseRow(
        id=of.case.id, side=of.case.side, title=title(of.case), tally=tally(of.tally), worst=worst(of.tally)
    )  # fmt: skip


def _card(case: CaseLine, twin: CaseLine | None, room: Room) -> Card:
    both = [case, *([twin] if twin else [])]
    views = [_case(each, room) for each in both]
    if twin is not None:
        views = [_beside(mine, other) for mine, other in zip(views, reversed(views))]
    trials = [_trial(each.case, trial, room) for each in both for trial in _first(each.shown, room.trials)]
    kept = tuple(trial for trial in trials if trial.outcome == Outcome.KEPT)
    trials = [trial for trial in trials if trial.outcome != Outcome.KEPT]
    trials.sort(key=lambda trial: trial.outcome != Outcome.BROKEN)
    bad = sum(each.tally.broken + each.tally.error + each.tally.unscored for each in both)
    return Card(
        worst=worst(_sum(both)),
        title=title(case.case),
        flipped=one_line(case.case.flipped or (twin.case.flipped if twin else ""), 300),
        case=views[0],
        twin=views[1] if twin else None,
        trials=tuple(trials),
        kept=kept,
        kept_said=count(len(kept), "kept trial"),
        left_out=f"{count(bad - len(trials), 'more such trial')} in the journal of the run"
        if bad > len(trials)
        else "",
    )


def _first(trials: Sequence[Trial], most: int) -> Sequence[Trial]:
    """Some of the trials: those that were not kept first."""
    return sorted(trials, key=lambda trial: trial.outcome == Outcome.KEPT)[:most]


def _sum(lines: Sequence[CaseLine]) -> Tally:
    return Tally(
        kept=sum(line.tally.kept for line in lines),
        broken=sum(line.tally.broken for line in lines),
        unscored=sum(line.tally.unscored for line in lines),
        error=sum(line.tally.error for line in lines),
    )


def _beside(mine: CaseView, other: CaseView) -> CaseView:
    """My view, with what the other does not have marked."""
    lines = compared(mine.lines, other.lines)
    (step,) = compared([mine.act], [other.act])
    return msgspec.structs.replace(mine, lines=lines, act=step)


def _case(of: CaseLine, room: Room) -> CaseView:
    case = of.case
    events: list[AnyEvent] = [event for event in case.history if not isinstance(event, System)]
    if not events:
        events = [Message(id=f"said-{place}", text=said.text) for place, said in enumerate(case.script)]
    facts = [event for event in events if isinstance(event, Fact)]
    return CaseView(
        id=case.id,
        side=case.side,
        expected=expectation(case),
        situation=tuple(_situation(case, with_facts=not facts)),
        lines=tuple(line(event, limit=room.text) for event in events[-room.events :]),
        act=line(case.step.event, limit=room.text),
        tally=tally(of.tally),
        standing=worst(of.tally),
    )


def _situation(case: Case, *, with_facts: bool) -> list[Term]:
    found = [] if case.world.now is None else [Term(name="now", value=moment(case.world.now))]
    if with_facts:
        found += [Term(name=one_line(name), value=one_line(plain(value))) for name, value in case.world.facts]
    if not case.history:
        found += [
            Term(name=f"{one_line(answer.tool)} answers", value=one_line(answer.output, 300))
            for answer in case.world.answers
        ]
    return found


def _trial(case: Case, trial: Trial, room: Room) -> TrialView:
    """What the target did: the events beyond those that were given, with the last word of the user before them."""
    given = {event.id for event in case.history}
    events = [event for event in trial.transcript if not isinstance(event, System)]
    new = [event for event in events if event.id not in given]
    seen, skipped = around(new, trial.offending, room.events)
    asked = next((event for event in reversed(events) if event.id in given and isinstance(event, Message)), None)
    before = len(events) - len(new) - (asked is not None) + skipped
    marked: Literal["here", "there"] = "here" if trial.outcome is Outcome.BROKEN else "there"
    lines = [] if asked is None else [line(asked, limit=room.text)]
    lines += [line(event, limit=room.text, mark=_mark(case, trial, event), marked=marked) for event in seen]
    if not new and trial.outcome is Outcome.BROKEN:
        lines.append(_nothing(case))
    return TrialView(
        outcome=trial.outcome,
        said=f"{trial.outcome}: {_OF[case.side]}, round {trial.round + 1}",
        reason=one_line(trial.error or trial.reason, 600),
        before=f"{count(before, 'earlier event')}, as given" if before else "",
        lines=tuple(lines),
    )


def _mark(case: Case, trial: Trial, event: AnyEvent) -> str | None:
    """Why the eye should stop at this event: it broke what was expected, or nobody could say whether it did."""
    if event.id != trial.offending or trial.outcome is Outcome.KEPT:
        return None
    return _HERE[case.side] if trial.outcome is Outcome.BROKEN else "this could not be scored"


def _nothing(case: Case) -> Line:
    text = shown("nothing came", 100).text
    return Line(id="", kind="reply", who="agent", pieces=(Piece(text=text),), mark=_HERE[case.side])
