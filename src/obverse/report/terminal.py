"""A report as plain text, for the end of a command: the answer first, a line per clause and side, what is not known.

No colour and no control characters: the words carry it, and `cli` may dress them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from obverse.campaign.audits import AuditClause, AuditSummary
from obverse.campaign.records import ClaimLine, Summary
from obverse.core.verdicts import Side
from obverse.report import telling
from obverse.report.audit_page import audit_answer, audit_unknown, clause_rate, place_of
from obverse.report.claims import answer, standing
from obverse.report.views import ORDER, SAID
from obverse.report.visible import one_line
from obverse.report.wording import count, plain_percent, rate, short, tally

_WIDE: Final = 110
_SIDES: Final = {Side.VIOLATION: "violations", Side.OVER_REFUSAL: "over-refusals"}
_SHOWN: Final = 20  # findings of an audit


def render_text(summary: Summary) -> str:
    """The run in a few dozen lines."""
    return "\n".join([*_wrapped(_run(summary)), ""])


def render_audit_text(summary: AuditSummary) -> str:
    """The audit in a few dozen lines."""
    return "\n".join([*_wrapped(_audit(summary)), ""])


def _run(summary: Summary) -> Iterator[str]:
    plan = summary.plan
    yield answer(summary.clauses)
    yield ""
    yield f"  {one_line(plan.policy_name)} {one_line(plan.policy_version)} ({short(plan.policy)}) on {one_line(plan.target)}"
    yield f"  {tally(summary.tally)}; plan {short(summary.plan_digest)}"
    yield ""
    rows = [row for clause in summary.clauses for row in _rows(clause.id, clause.claims)]
    rows.sort(key=lambda row: ORDER.index(row[0]))
    yield from _table([row[1] for row in rows] + [row[1] for row in _rows("all together", summary.overall)])
    yield from _open(list(telling.unknown(summary)))


def _rows(name: str, claims: Sequence[ClaimLine]) -> Iterator[tuple[str, tuple[str, ...]]]:
    if not claims:
        yield "untried", (SAID["untried"], one_line(name), "", "", "")
    for claim in claims:
        claimed = f"claimed below {plain_percent(claim.threshold)}"
        yield standing([claim]), (SAID[claim.verdict], one_line(name), _SIDES[claim.side], rate(claim), claimed)


def _audit(summary: AuditSummary) -> Iterator[str]:
    policy = summary.policy
    yield audit_answer(summary)
    yield ""
    yield f"  {one_line(policy.name)} {one_line(policy.version)} ({short(policy.digest)})"
    yield f"  {count(summary.transcripts, 'transcript')}, {count(summary.steps, 'step')}, {count(summary.events, 'event')}"
    yield ""
    yield from _table([_audited(clause) for clause in summary.clauses if clause.of or clause.findings])
    if summary.findings:
        yield ""
    for finding in summary.findings[:_SHOWN]:
        where = "" if finding.message is None else f", message {finding.message}"
        yield f"  {finding.state}: {one_line(finding.transcript)}{where}: {one_line(finding.clause)}: {one_line(finding.act)}"
    left = summary.found - min(len(summary.findings), _SHOWN)
    if left > 0:
        yield f"  and {count(left, 'more finding')}"
    yield from _open(list(audit_unknown(summary)))
    for unread in summary.unread[:_SHOWN]:
        yield f"    {one_line(place_of(unread))}: {one_line(unread.reason, 200)}"


def _audited(clause: AuditClause) -> tuple[str, ...]:
    state = "broken" if clause.broken else "undecided" if clause.undecided else "no finding"
    undecided = f"{clause.undecided:,} undecided" if clause.undecided else ""
    return (state, one_line(clause.clause), clause_rate(clause), undecided)


def _open(unknown: list[str]) -> Iterator[str]:
    if unknown:
        yield ""
        yield "What is not known"
        yield from (f"  - {text}" for text in unknown)


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """The rows in columns; a column is as wide as its widest cell."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


def _wrapped(lines: Iterator[str]) -> Iterator[str]:
    """Lines that are not tables are broken where they are too long."""
    for line in lines:
        if line.startswith("  - "):
            yield from textwrap.wrap(line, _WIDE, subsequent_indent="    ", break_on_hyphens=False)
        else:
            yield line
