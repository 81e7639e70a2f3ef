"""An audit as its page: which clauses were broken, how often, where, and what could not be known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from obverse.campaign.audits import AuditClause, AuditFinding, AuditSummary, Unread
from obverse.report import drawing
from obverse.report.acts import Line, line
from obverse.report.prose import prose
from obverse.report.views import Room, Standing, Term
from obverse.report.visible import one_line, visible
from obverse.report.wording import (
    count,
    interval,
    listed,
    moment,
    percent,
    plain_percent,
    rough_interval,
    share,
    short,
    spelled,
)  # fmt: skip

_ORDER: Final[dict[Standing, int]] = {"fails": 0, "undecided": 1, "quiet": 2, "untried": 3}
_SAID: Final[dict[Standing, str]] = {
    "fails": "broken", "undecided": "undecided", "quiet": "no finding", "untried": "no say",
}  # fmt: skip
_VERDICTS: Final[dict[str, Standing]] = {
    "broken": "fails", "undecided": "undecided", "clean": "quiet", "warned": "untried",
}  # fmt: skip
_DEFAULTS: Final = {
    "@calls": "Only known tools are called", "@arguments": "Only known arguments are given",
    "@malformed": "Arguments can be read", "@replies": "Replies that no clause speaks of",
}  # fmt: skip
_HERE: Final = {
    "broken": "this broke the clause",
    "undecided": "this may have broken the clause",
    "warned": "the policy warns of this",
}
_UNREAD: Final = 20  # unreadable places that are named one by one


class FindingView(msgspec.Struct, frozen=True, kw_only=True):
    """One finding, with the events around it."""

    state: str
    standing: Standing
    where: str
    act: str
    verdict: str
    because: str
    lines: tuple[Line, ...]


class ClauseRow(msgspec.Struct, frozen=True, kw_only=True):
    """One clause: its line on the first screen, and its findings."""

    anchor: str
    id: str
    title: str
    notes: tuple[str, ...]
    standing: Standing
    said: str
    rate: str
    counted: str
    bar: drawing.Bar | None
    label: str
    prose: str
    rules: tuple[str, ...]
    terms: tuple[Term, ...]
    findings: tuple[FindingView, ...]
    left_out: str


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """The page of an audit."""

    title: str
    policy: str
    version: str
    digest: str
    standing: Standing
    answer: str
    figures: tuple[Term, ...]
    gist: tuple[str, ...]
    ticks: tuple[drawing.Tick, ...]
    rows: tuple[ClauseRow, ...]
    unknown: tuple[str, ...]
    sources: tuple[Term, ...]
    limits: tuple[Term, ...]
    maker: str


def audit_page(summary: AuditSummary, room: Room) -> AuditPage:
    """The page of this audit, with as many findings as there is room for."""
    policy = summary.policy
    rows = [_row(number, clause, summary, room) for number, clause in enumerate(summary.clauses, 1)]
    return AuditPage(
        title=one_line(f"audit against {policy.name}"),
        policy=one_line(policy.name),
        version=one_line(policy.version),
        digest=short(policy.digest),
        standing=_VERDICTS[summary.verdict],
        answer=audit_answer(summary),
        figures=_figures(summary),
        gist=_gist(summary),
        ticks=drawing.ticks(mirrored=False),
        rows=tuple(sorted(rows, key=lambda row: _ORDER[row.standing])),
        unknown=tuple(audit_unknown(summary)),
        sources=_sources(summary),
        limits=tuple(_limits(summary)),
        maker=one_line(summary.version),
    )


def audit_answer(summary: AuditSummary) -> str:
    """The verdict in a sentence: `Six clauses were broken, two may have been.`"""
    unread = count(len(summary.unread), "place")
    if not summary.transcripts:
        return f"Nothing was audited{f': {unread} could not be read' if summary.unread else ''}."
    broken = sum(clause.broken > 0 for clause in summary.clauses)
    maybe = sum(clause.undecided > 0 and not clause.broken for clause in summary.clauses)
    parts = [f"{spelled(broken)} {'clause was' if broken == 1 else 'clauses were'} broken"] if broken else []
    if maybe:
        noun = "" if broken else " clause" if maybe == 1 else " clauses"
        parts.append(f"{spelled(maybe)}{noun} may have been{'' if broken else ' broken'}")
    if not parts:
        but = f", but {unread} could not be read" if summary.unread else ""
        return f"No clause was broken in {count(summary.transcripts, 'transcript')}{but}."
    text = ", ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def audit_unknown(summary: AuditSummary) -> Iterator[str]:
    """Everything that this audit leaves open."""
    for clause in summary.clauses:
        if clause.undecided:
            yield f"{_title(clause)}: in {count(clause.undecided, 'transcript')} something was not known that decides."
    silent = [_title(clause) for clause in summary.clauses if not clause.of]
    if silent:
        yield f"Nothing in these transcripts was for {_some(silent)} to decide, or no rule says it."
    if summary.unread:
        yield f"{count(len(summary.unread), 'place')} could not be read and {'is' if len(summary.unread) == 1 else 'are'} in no rate."
    if summary.assumed_start is not None:
        yield f"Where a transcript has no clock, it was taken to begin at {moment(summary.assumed_start)}."
    left = summary.found - len(summary.findings)
    if left:
        yield f"{count(left, 'more finding')} were counted and not kept."


def clause_rate(clause: AuditClause) -> str:
    """`below 3.0 % (0 of 100)`, always with its counts."""
    return f"{interval(clause.low, clause.high)} ({share(clause.broken, clause.of)})" if clause.of else "no data"


def place_of(unread: Unread) -> str:
    """Where something stands that could not be read: file, line, and transcript if that is known."""
    at = "" if unread.line is None else f", line {unread.line}"
    return f"{unread.file}{at}{f', transcript {unread.transcript}' if unread.transcript else ''}"


def _some(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= 6 else f"{', '.join(names[:6])} and {len(names) - 6} more"


def _title(clause: AuditClause) -> str:
    return one_line(clause.title or _DEFAULTS.get(clause.clause, clause.clause))


def _standing(clause: AuditClause) -> Standing:
    if clause.broken:
        return "fails"
    if clause.undecided:
        return "undecided"
    return "quiet" if clause.of else "untried"


def _row(number: int, clause: AuditClause, summary: AuditSummary, room: Room) -> ClauseRow:
    stands = _standing(clause)
    mine = [finding for finding in summary.findings if finding.clause == clause.clause]
    mine.sort(key=lambda finding: finding.state != "broken")
    shown = mine[: room.cards]
    left = clause.findings - len(shown)
    return ClauseRow(
        anchor=f"clause-{number}",
        id=one_line(clause.clause),
        title=_title(clause),
        notes=tuple(one_line(mark) for mark in (clause.level, clause.severity) if mark),
        standing=stands,
        said=_SAID[stands],
        rate=rough_interval(clause.low, clause.high) if clause.of else "no data",
        counted=f"{share(clause.broken, clause.of)} transcripts" if clause.of else "",
        bar=_bar(clause),
        label=f"{_title(clause)}: broken in {share(clause.broken, clause.of)} transcripts, {clause_rate(clause)}",
        prose=prose(clause.prose),
        rules=tuple(visible(rule) for rule in clause.rules),
        terms=tuple(_terms(clause, summary)),
        findings=tuple(_finding(finding, room) for finding in shown),
        left_out=f"{count(left, 'more finding')} in the JSON beside this page" if left else "",
    )


def _bar(clause: AuditClause) -> drawing.Bar | None:
    """The interval on its axis; an audit claims no threshold."""
    if not clause.of:
        return None
    return drawing.bar(
        threshold=None,
        interval=(clause.low, clause.high),
        wider=(clause.low, clause.worst_high) if clause.undecided else (None, None),
        estimate=clause.broken / clause.of if 0 < clause.broken < clause.of else None,
    )


def _terms(clause: AuditClause, summary: AuditSummary) -> Iterator[Term]:
    if not clause.of:
        return
    sure = plain_percent(summary.confidence)
    yield Term(
        name="broken", value=f"in {share(clause.broken, clause.of)} transcripts", note="in which the clause had a say"
    )
    yield Term(name="rate", value=interval(clause.low, clause.high), note=f"{sure}, exact")
    if clause.undecided:
        worst = f"below {percent(clause.worst_high, 'up')}" if clause.worst_high is not None else "not known"
        yield Term(
            name="at worst", value=worst, note=f"if {count(clause.undecided, 'undecided transcript')} broke it too"
        )
    if clause.warned:
        yield Term(name="warned", value=f"in {count(clause.warned, 'transcript')}")
    yield Term(name="findings", value=count(clause.findings, "step"))


def _finding(finding: AuditFinding, room: Room) -> FindingView:
    where = "" if finding.message is None else f", message {finding.message}"
    return FindingView(
        state=finding.state,
        standing=_VERDICTS[finding.state],
        where=one_line(f"{finding.transcript}{where}"),
        act=one_line(finding.act),
        verdict=finding.verdict,
        because=one_line(finding.because, 1200),
        lines=tuple(
            line(
                event,
                limit=room.text,
                mark=_HERE[finding.state] if event.id == finding.step else None,
                marked="here" if finding.state == "broken" else "there",
            )
            for event in finding.excerpt[-room.events :]
        ),
    )


def _figures(summary: AuditSummary) -> tuple[Term, ...]:
    states = [finding.state for finding in summary.findings]
    kept = "" if summary.found == len(states) else f"of {summary.found:,}"
    return (
        Term(name="transcripts" if summary.transcripts != 1 else "transcript", value=f"{summary.transcripts:,}"),
        Term(name="steps", value=f"{summary.steps:,}", note=f"of {summary.events:,} events"),
        Term(name="broken", value=f"{states.count('broken'):,}", note=f"steps {kept}".strip()),
        Term(name="undecided", value=f"{states.count('undecided'):,}", note="steps"),
        Term(name="unreadable", value=f"{len(summary.unread):,}"),
    )


def _gist(summary: AuditSummary) -> tuple[str, ...]:
    undecided = sum(clause.undecided > 0 for clause in summary.clauses)
    silent = sum(not clause.of for clause in summary.clauses)
    lines = (
        f"{count(undecided, 'clause')} with undecided steps" if undecided else "",
        f"{count(silent, 'clause')} had no say" if silent else "",
        f"{count(len(summary.unread), 'place')} unreadable" if summary.unread else "",
        "The clock was assumed" if summary.assumed_start is not None else "",
        "Other users, other days",
    )
    return tuple(line for line in lines if line)


def _sources(summary: AuditSummary) -> tuple[Term, ...]:
    found = [
        Term(name="policy", value=summary.policy.digest, exact=True),
        Term(name="files", value=one_line(", ".join(summary.files), 600), exact=True),
    ]
    if summary.assumed_start is not None:
        found.append(Term(name="assumed start", value=moment(summary.assumed_start)))
    found += [
        Term(name="not read", value=one_line(place_of(unread)), note=one_line(unread.reason, 300))
        for unread in summary.unread[:_UNREAD]
    ]
    left = len(summary.unread) - _UNREAD
    return (*found, Term(name="not read", value=f"{left:,} more")) if left > 0 else tuple(found)


def _limits(summary: AuditSummary) -> Iterator[Term]:
    yield Term(
        name="Other conversations",
        value=f"The rates are of {count(summary.transcripts, 'transcript')} as they were recorded. The intervals take them for independent; where several stem from one user or one task, they are too narrow.",
    )
    yield Term(
        name="What was not asked",
        value="A clause is only tried where a conversation came near it. No finding is not a proof: nobody may have asked.",
    )
    yield Term(
        name="What was not recorded",
        value="Facts, times and judgements that the transcript lacks are unknown. A step that they decide is undecided, never kept.",
    )
    yield Term(
        name="Refusals",
        value="An audit finds what was done and should not have been. What was wrongly refused needs a run with twins.",
    )
    yield Term(
        name="The policy itself",
        value="Whether the rules say what the prose means, and whether the prose is wise, is for people to read. No duty or law is said to be met.",
    )
