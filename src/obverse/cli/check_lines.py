"""How `obverse check` reads: its findings as lines for people, and as the document of `--json`. It computes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from obverse.cli.output import one_line
from obverse.cli.transcript import number_of, transcript

if TYPE_CHECKING:
    from obverse.core.errors import Span
    from obverse.policy.checked import Checked, CheckedRule
    from obverse.solver.findings import Analysis, Finding, Open, Witness
    from obverse.solver.remembering import Remembered


_UNASKED = "not asked"
_SHOWN = 12  # questions that were not asked for one reason: more of them are one line


def document(
    checked: Checked, analysis: Analysis, source: str, seconds: float, *, complete: bool = True
) -> dict[str, object]:
    """What `--json` prints; its keys are a contract."""
    return {
        "policy": {"name": checked.name, "version": checked.version, "digest": checked.digest},
        "findings": [_record(finding, source) for finding in analysis.findings],
        "undecided": [_record(one, source) for one in analysis.undecided],
        "seconds": seconds,
        "queries": analysis.queries,
        "questions": analysis.questions,
        "reused": analysis.reused,
        "complete": complete,
        "memory": _kept(checked),
        "solver": analysis.solver,
    }


def _record(one: Finding | Open, source: str) -> dict[str, object]:
    at = None if one.at is None else {"file": source, "line": one.at.line, "column": one.at.column}
    return {**msgspec.structs.asdict(one), "at": at}


def lines(checked: Checked, analysis: Analysis, source: str, seconds: float, *, memory: bool = False) -> Iterator[str]:
    """What is printed for people."""
    rules, clauses = number_of(len(checked.rules), "rule"), number_of(len(checked.clauses), "clause")
    yield one_line(f"{checked.name}, version {checked.version}: {rules} in {clauses}")
    for finding in analysis.findings:
        yield ""
        yield one_line(f"{finding.severity} {finding.code} {finding.clause or 'terms'}: {finding.message}")
        yield from _place(finding.at, source)
        if finding.within is not None:
            yield one_line(f"      looked at {finding.within}")
        if finding.witness is not None:
            yield from _transcript(
                finding.witness, [r for r in checked.rules if r.id in (finding.rule, *finding.others)]
            )
    unasked = Counter(one.reason for one in analysis.undecided if one.reason.startswith(_UNASKED))
    for question in analysis.undecided:
        if unasked[question.reason] > _SHOWN:
            continue
        yield ""
        yield one_line(f"undecided {question.code} {question.clause or 'terms'}: {question.reason}")
        yield from _place(question.at, source)
    for reason, count in unasked.items():
        if count > _SHOWN:
            yield ""
            yield one_line(f"undecided: {count:,} questions were {reason} (--json lists them)")
    if memory:
        yield from _memory(checked)
    yield ""
    yield one_line(_summary(analysis, seconds))


def _place(at: Span | None, source: str) -> Iterator[str]:
    if at is not None:
        yield one_line(f"      at {source}:{at}")


def _kept(checked: Checked) -> tuple[Remembered, ...]:
    from obverse.solver.remembering import remembered

    return remembered(checked)


def _memory(checked: Checked) -> Iterator[str]:
    yield ""
    yield "A monitor keeps:"
    found = _kept(checked)
    for one in found:
        most = "" if one.bounded else " (grows)" if one.most is None else f" (at most {one.most:,})"
        yield one_line(f"      {one.rule}: {one.keeps}{most}")
    others = len(checked.rules) - len({one.rule for one in found})
    if others:
        yield f"      nothing for {number_of(others, 'other rule' if found else 'rule')}"


def _summary(analysis: Analysis, seconds: float) -> str:
    errors = sum(finding.severity == "error" for finding in analysis.findings)
    warnings = sum(finding.severity == "warning" for finding in analysis.findings)
    notes = len(analysis.findings) - errors - warnings
    found = [(errors, "error"), (warnings, "warning"), (notes, "note")]
    parts = [number_of(count, noun) for count, noun in found if count]
    if analysis.undecided:
        parts.append(f"{len(analysis.undecided)} undecided")
    solver = analysis.solver
    by = f"{_queries(analysis.queries)} to {solver.name} {solver.version} ({solver.bound})"
    asked = number_of(analysis.questions, "question")
    again = f", {analysis.reused} of them answered before" if analysis.reused else ""
    return f"{', '.join(parts) or 'no findings'}; {seconds:.1f} s, {asked}{again}, {by}"


def _queries(count: int) -> str:
    return f"{count} {'query' if count == 1 else 'queries'}"


def _transcript(witness: Witness, rules: Sequence[CheckedRule]) -> Iterator[str]:
    yield from transcript(witness.history, witness.step, rules)
    by = f" by {', '.join(witness.clauses)}" if witness.clauses and witness.verdict.value != "allow" else ""
    yield one_line(f"      decided: {witness.verdict.value}{by}")
