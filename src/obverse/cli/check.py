"""`obverse check`: is the policy sound? Findings, each with a short transcript that shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.numbers import Finite
from obverse.cli.output import json_option, one_line, print_json, say, when_interrupted

if TYPE_CHECKING:
    from obverse.core.events import AnyEvent
    from obverse.policy.checked import Checked
    from obverse.solver.findings import Analysis, Witness

_WIDEST = 140  # of one line of a transcript


@click.command()
@click.argument("policy", type=click.Path(path_type=Path))
@click.option(
    "--timeout", type=Finite(min=0.01, max=86_400), default=10.0, show_default=True, help="Seconds per question."
)
@json_option
def check(policy: Path, *, timeout: float, as_json: bool) -> ExitCode:
    """Prove things about POLICY: rules that never fire, permits that are never allowed, exceptions that never apply.

    Exits 0 where nothing is wrong (warnings and notes may be printed), 3 where an error is found, 4 where a question
    stayed open.
    """
    from obverse.cli.load import load
    from obverse.solver.analyse import analyse
    from obverse.solver.settings import Settings

    checked = load(policy)
    start = time.monotonic()
    with when_interrupted("nothing was written"):
        analysis = analyse(checked, settings=Settings(timeout_ms=max(1, round(timeout * 1000))))
    seconds = round(time.monotonic() - start, 3)
    if as_json:
        print_json(_document(checked, analysis, seconds))
    else:
        for line in _lines(checked, analysis, seconds):
            say(line)
    return _exit_code(analysis)


def _exit_code(analysis: Analysis) -> ExitCode:
    if any(finding.severity == "error" for finding in analysis.findings):
        return ExitCode.VIOLATED
    return ExitCode.UNDECIDED if analysis.undecided else ExitCode.HOLDS


def _document(checked: Checked, analysis: Analysis, seconds: float) -> dict[str, object]:
    return {
        "policy": {"name": checked.name, "version": checked.version, "digest": checked.digest},
        "findings": analysis.findings,
        "undecided": analysis.undecided,
        "seconds": seconds,
        "queries": analysis.queries,
        "solver": analysis.solver,
    }


def _lines(checked: Checked, analysis: Analysis, seconds: float) -> Iterator[str]:
    rules, clauses = _number(len(checked.rules), "rule"), _number(len(checked.clauses), "clause")
    yield one_line(f"{checked.name}, version {checked.version}: {rules} in {clauses}")
    for finding in analysis.findings:
        yield ""
        yield one_line(f"{finding.severity} {finding.code} {finding.clause or 'terms'}: {finding.message}")
        if finding.witness is not None:
            yield from _transcript(finding.witness)
    for question in analysis.undecided:
        yield ""
        yield one_line(f"undecided {question.code} {question.clause or 'terms'}: {question.reason}")
    yield ""
    yield one_line(_summary(analysis, seconds))


def _summary(analysis: Analysis, seconds: float) -> str:
    errors = sum(finding.severity == "error" for finding in analysis.findings)
    warnings = sum(finding.severity == "warning" for finding in analysis.findings)
    notes = len(analysis.findings) - errors - warnings
    found = [(errors, "error"), (warnings, "warning"), (notes, "note")]
    parts = [_number(number, noun) for number, noun in found if number]
    if analysis.undecided:
        parts.append(f"{len(analysis.undecided)} undecided")
    solver, asked = analysis.solver, _number(analysis.queries, "question")
    by = f"{asked} to {solver.name} {solver.version} ({solver.bound})"
    return f"{', '.join(parts) or 'no findings'}; {seconds:.1f} s, {by}"


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _transcript(witness: Witness) -> Iterator[str]:
    for event in witness.history:
        yield _cut(f"      {_event(event)}")
    for event in witness.step.turn:
        here = event.id == witness.step.event.id
        yield _cut(f"    {'>' if here else '+'} {_event(event)}")
    by = f" by {', '.join(witness.clauses)}" if witness.clauses and witness.verdict.value != "allow" else ""
    yield one_line(f"      decided: {witness.verdict.value}{by}")


def _event(event: AnyEvent) -> str:
    from obverse.core import events

    match event:
        case events.Call():
            return f"call {event.tool} {event.arguments}"
        case events.Denied():
            return f"denied {event.tool} {event.arguments}"
        case events.Result():
            return f"{'failed' if event.failed else 'result'} {event.tool} {event.output}"
        case events.Fact():
            return f"fact {event.name} = {event.value}"
        case events.Approval():
            return f"approval by {event.by}"
        case events.Grant():
            return f"grant {event.grant}"
        case _:
            said = ", ".join(sorted(name for name, answer in event.labels.items() if answer))
            return f'{type(event).__name__.lower()} "{event.text}"{f" ({said})" if said else ""}'


def _cut(line: str) -> str:
    shown = one_line(line)
    return shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 1]}…"
