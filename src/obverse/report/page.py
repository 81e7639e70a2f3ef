"""A run as its page: the answer, what is not known, clause by clause, how it was done, what it does not say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from obverse.campaign.records import CaseLine, ClauseView, Summary
from obverse.cases.records import Level
from obverse.report import drawing, telling
from obverse.report.cards import cards
from obverse.report.claims import answer, by_urgency, claim_view, row
from obverse.report.prose import prose
from obverse.report.views import ORDER, SAID, SAID_OF_MANY, Page, Room, Rung, Section, Standing, Term
from obverse.report.visible import one_line, shown, visible
from obverse.report.wording import count, seconds, short

_ISO: Final = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(?:\+00:00|Z)$")
_PRINTED: Final = 3  # cards of a clause; the style sheet holds to it
_LEVELS: Final = [str(level) for level in Level]


def page(summary: Summary, room: Room) -> Page:
    """The page of this run, with as much of its cases as there is room for."""
    plan = summary.plan
    known = {line.case.id: line for clause in summary.clauses for line in clause.cases}
    sections = tuple(_section(number, clause, known, room) for number, clause in enumerate(summary.clauses, 1))
    rows = [section.row for section in sections]
    told = next((line.case.system for line in known.values() if line.case.system), "")
    return Page(
        title=one_line(f"{plan.policy_name} on {plan.target}"),
        policy=one_line(plan.policy_name),
        version=one_line(plan.policy_version),
        digest=short(plan.policy),
        target=one_line(plan.target),
        when=_when(summary),
        standing=summary.verdict,
        answer=answer(summary.clauses),
        figures=_figures(summary),
        gist=telling.gist(summary),
        counts=tuple(_counts([row.standing for row in rows])),
        ticks=drawing.ticks(mirrored=False),
        mirrored_ticks=drawing.ticks(mirrored=True),
        overall=row(anchor="clauses", title="All clauses together", id="", notes=(), claims=summary.overall)
        if summary.overall
        else None,
        rows=by_urgency(rows),
        unknown=tuple(telling.unknown(summary)),
        sections=sections,
        plan=tuple(term for term in telling.plan_terms(summary) if term.value),
        spent=tuple(telling.spent_terms(summary)),
        judges=tuple(telling.judge_term(judge) for judge in summary.judges),
        errors=tuple(Term(name=one_line(kind), value=f"{times:,}") for kind, times in sorted(summary.errors.items())),
        told=shown(told, room.text).text,
        limits=tuple(telling.limits(summary)),
        maker=one_line(summary.version),
    )


def _when(summary: Summary) -> str:
    started = _ISO.sub(r"\1 \2 UTC", one_line(summary.started or ""))
    parts = [started, seconds(summary.seconds) if summary.seconds else ""]
    return ", ".join(part for part in parts if part)


def _counts(standings: list[Standing]) -> Iterator[tuple[Standing, str, int]]:
    """How many clauses stand how: `2 fail`."""
    for name in ORDER:
        number = standings.count(name)
        yield name, f"{number:,} {(SAID if number == 1 else SAID_OF_MANY)[name]}", number


def _figures(summary: Summary) -> tuple[Term, ...]:
    """The outcomes, never fewer than four."""
    of = summary.tally
    done = of.kept + of.broken + of.unscored + of.error
    tried = sum(len(clause.cases) for clause in summary.clauses)
    return (
        Term(name="trials", value=f"{done:,}", note=f"of {summary.plan.trials:,} planned at most"),
        Term(name="cases", value=f"{tried:,}"),
        Term(name="kept", value=f"{of.kept:,}"),
        Term(name="broken", value=f"{of.broken:,}"),
        Term(name="unscored", value=f"{of.unscored:,}"),
        Term(name="errors", value=f"{of.error:,}"),
    )


def _section(number: int, clause: ClauseView, known: Mapping[str, CaseLine], room: Room) -> Section:
    marks = [clause.level, clause.severity, "inviolable" if clause.inviolable else ""]
    found, rows, left_out = cards(clause.cases, known, room)
    kept = tuple(card for card in found if card.worst == "kept")
    return Section(
        row=row(
            anchor=f"clause-{number}",
            title=clause.title or clause.id,
            id=clause.id,
            notes=tuple(one_line(mark) for mark in marks if mark),
            claims=clause.claims,
        ),
        prose=prose(clause.prose),
        rules=tuple(visible(rule) for rule in clause.rules),
        claims=tuple(claim_view(claim) for claim in clause.claims),
        coverage=tuple(_rung(level, clause.coverage[level]) for level in _ladder(clause.coverage)),
        infeasible=tuple(one_line(text, 300) for text in clause.infeasible),
        cards=tuple(card for card in found if card.worst != "kept"),
        cards_said=count(len(found) - len(kept), "case") if len(found) - len(kept) > _PRINTED else "",
        kept=kept,
        kept_said=f"{count(len(kept), 'case')}, each with its twin where it has one",
        rows=rows,
        left_out=left_out,
        cost=f"{count(clause.calls, 'call')}, {count(clause.tokens, 'token')}" if clause.calls else "",
    )


def _ladder(coverage: Mapping[str, object]) -> list[str]:
    """The levels in the order of the ladder, unknown ones last."""
    return sorted(coverage, key=lambda level: (_LEVELS.index(level) if level in _LEVELS else len(_LEVELS), level))


def _rung(level: str, counts: Mapping[str, int]) -> Rung:
    met, infeasible, opened = (counts.get(name, 0) for name in ("met", "infeasible", "open"))
    return Rung(level=one_line(level), met=f"{met:,}", infeasible=f"{infeasible:,}", open=f"{opened:,}")
