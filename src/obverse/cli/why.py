"""`obverse why`: one verdict of a transcript explained: which rules fired, on what they rest, and what would have turned it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.numbers import Finite
from obverse.cli.output import json_option, one_line, print_json, say, when_interrupted
from obverse.cli.reading import reading_of
from obverse.cli.transcript import cut, event_line

if TYPE_CHECKING:
    from io import BufferedReader

    from obverse.core.chat_log import Reading
    from obverse.core.events import AnyEvent, Step, Transcript
    from obverse.policy.checked import Checked
    from obverse.solver.edits import Edit
    from obverse.solver.why import Told, Why

_SHOWN = 12  # earlier events of one rule, ids in one hint
_ABSENT = "(absent)"


@click.command()
@click.argument("policy", type=click.Path(path_type=Path))
@click.argument("transcript", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--step", required=True, metavar="N", help="Which step: the `message` or the `step` of a finding of `audit`."
)
@click.option("--transcript", "wanted", metavar="ID", help="Which transcript, where the file holds several.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["auto", "obverse", "openai"]),
    default="auto",
    show_default=True,
    help="How the transcript is written.",
)
@click.option("--start", metavar="TIME", help="When a transcript without a clock began, such as 2024-05-15T15:00:00.")
@click.option(
    "--timeout", type=Finite(min=0.01, max=86_400), default=10.0, show_default=True, help="Seconds per question."
)
@json_option
def why(
    *,
    policy: Path,
    transcript: Path,
    step: str,
    wanted: str | None,
    format_: Literal["auto", "obverse", "openai"],
    start: str | None,
    timeout: float,
    as_json: bool,
) -> ExitCode:
    """Explain what POLICY says of one step of TRANSCRIPT, and what is the least that would have turned it.

    A message that holds several steps has all of them explained. `-` is stdin. Exits 0 once it is explained, whatever the
    verdict.
    """
    from obverse.cli.load import load
    from obverse.solver.settings import Settings
    from obverse.solver.why import why as explained

    checked = load(policy)
    read = _chosen(transcript, format_, reading_of(start, checked), wanted)
    settings = Settings(timeout_ms=max(1, round(timeout * 1000)))
    began = time.monotonic()
    with when_interrupted("nothing was written"):
        found = [explained(checked, past, one, settings=settings) for past, one in _steps(read, step)]
    if as_json:
        print_json(_document(checked, read, found, round(time.monotonic() - began, 3)))
        return ExitCode.HOLDS
    for number, one in enumerate(found):
        for line in ([""] if number else []) + list(_lines(one)):
            say(line)
    return ExitCode.HOLDS


# --- which step ---------------------------------------------------------------------------------------------------------


def _chosen(
    path: Path, format_: Literal["auto", "obverse", "openai"], reading: Reading, wanted: str | None
) -> Transcript:
    """The transcript that is meant; the only one, if none is named."""
    from obverse.core.errors import MisuseError, UntrustedInputError
    from obverse.core.transcripts import Unreadable, read_transcripts

    name = "stdin" if str(path) == "-" else str(path)
    found: list[Transcript] = []
    fault: UntrustedInputError | None = None
    with click.open_file(str(path), "rb") as source:
        for item in read_transcripts(cast("BufferedReader", source), format=format_, reading=reading, name=name):
            if isinstance(item, Unreadable):
                fault = fault or (item.error if wanted in (None, item.id) else None)
            elif wanted in (None, item.id):
                found.append(item)
                if len(found) > _SHOWN or wanted is not None:
                    break
    if len(found) == 1:
        return found[0]
    if not found and fault is not None:
        raise fault
    if not found:
        what = f"`{name}` holds no transcript" + (f" `{wanted}`" if wanted else "")
        raise MisuseError(what, code="U012")
    names = ", ".join(one.id for one in found[:_SHOWN])
    raise MisuseError(
        f"`{name}` holds several transcripts", code="U012", hint=f"say which by `--transcript ID`: {names}, …"
    )


def _steps(read: Transcript, wanted: str) -> list[tuple[tuple[AnyEvent, ...], Step]]:
    """The steps that `wanted` means, an id of an event or the number of a message, each with its past."""
    from obverse.core.errors import MisuseError
    from obverse.core.events import Call, Reply
    from obverse.policy.steps import steps_of, turns_of

    steps: list[tuple[tuple[AnyEvent, ...], Step]] = []
    past: list[AnyEvent] = []
    for item in turns_of(read.events):
        if isinstance(item, tuple):
            steps += [(tuple(past), step) for step in steps_of(item)]
            past += item
        else:
            past.append(item)
    named = [one for one in steps if one[1].event.id == wanted]
    numbered = [one for one in steps if one[1].event.origin is not None and str(one[1].event.origin) == wanted]
    if named or numbered:
        return named or numbered
    meant = [event for event in read.events if wanted in (event.id, str(event.origin))]
    acts = [
        event.id if event.origin is None else str(event.origin)
        for event in read.events
        if isinstance(event, Call | Reply)
    ]
    shown = ", ".join(list(dict.fromkeys(acts))[:_SHOWN])
    what = f"`{wanted}` is no step: nothing is decided there" if meant else f"there is no step `{wanted}`"
    raise MisuseError(
        f"{what} in `{read.id}`", code="U011", hint=f"its steps are {shown}" if acts else "it holds no step"
    )


# --- for programs -------------------------------------------------------------------------------------------------------


def _document(checked: Checked, read: Transcript, found: Sequence[Why], seconds: float) -> dict[str, object]:
    return {
        "policy": {"name": checked.name, "version": checked.version, "digest": checked.digest},
        "transcript": read.id,
        "steps": [
            {
                "step": one.step.event.id,
                "message": one.step.event.origin,
                "act": one.step.event,
                "verdict": one.verdict,
                "certain": one.certain,
                "clauses": one.clauses,
                "told": one.told,
                "defaults": one.defaults,
                "rules": one.rules,
                "approvals": one.approvals,
                "nearest": one.nearest,
                "otherwise": one.otherwise,
            }
            for one in found
        ],
        "seconds": seconds,
    }


# --- for people ---------------------------------------------------------------------------------------------------------


def _lines(found: Why) -> Iterator[str]:
    event = found.step.event
    where = event.id if event.origin is None else f"{event.id}, message {event.origin}"
    yield cut(f"{where}: {event_line(event)}")
    yield one_line(_verdict(found))
    for name in found.defaults:
        yield f"    {name} fired: {_DEFAULTS.get(name, 'a default of the front matter')}"
    for told in found.rules:
        yield from _rule(told)
    for approval in found.approvals:
        yield one_line(f"    approved by {approval.by}")
    yield from _turned(found)


_DEFAULTS = {
    "@calls": "the policy does not declare this tool",
    "@arguments": "an argument is there that the tool does not declare",
    "@malformed": "the arguments are no well-formed JSON object",
    "@replies": "no `permit` applies, and replies are denied by default",
}


def _verdict(found: Why) -> str:
    by = f" by {', '.join(found.clauses)}" if found.clauses and found.verdict.value != "allow" else ""
    unsure = "" if found.certain is found.verdict else f", {found.certain.value} by what is known"
    told = f'; the agent is told "{found.told}"' if found.told else ""
    return f"decided: {found.verdict.value}{by}{unsure}{told}"


def _rule(told: Told) -> Iterator[str]:
    part = {"fired": "fired", "approved": "was met by approval", "permits": "permits it", "silent": "kept silent"}[
        told.part
    ]
    unsure = ", not knowing" if told.part == "fired" and told.value.value == "unknown" else ""
    yield one_line(f"    {told.rule} {part}{unsure}: `{told.text}`")
    for condition in told.conditions:
        yield cut(f"        `{condition.text}` is {condition.value.value}")
    for unknown in told.unknowns:
        yield cut(f"        not known: `{unknown.what}` ({unknown.why})")
    if told.part != "silent":
        for event in told.events[:_SHOWN]:
            yield cut(f"        rests on {event.id}: {event_line(event)}")
        if len(told.events) > _SHOWN:
            yield f"        rests on {len(told.events) - _SHOWN} more events"


def _turned(found: Why) -> Iterator[str]:
    for way in found.nearest:
        yield f"it would be {way.verdict.value} if:"
        yield from (cut(f"    {_edit(edit, found.recorded)}") for edit in way.edits)
    if found.otherwise is not None:
        yield one_line(f"nothing was found with which it would be {found.otherwise.side}: {found.otherwise.reason}")


def _edit(edit: Edit, recorded: int) -> str:
    if edit.place > recorded:
        there = "there were" if edit.kind == "added" else "there were not"
        return f"with it {there}: {event_line(edit.event)}"
    if edit.kind == "added":
        return f"before it there were: {event_line(edit.event)}"
    if edit.kind == "removed":
        return f"{edit.event.id} were not there: {event_line(edit.event)}"
    before, after = (_value(edit.member, value) for value in (edit.before, edit.after))
    return f"{edit.event.id}: {edit.member} were {after} instead of {before}"


def _value(member: str | None, value: str | None) -> str:
    """A member's value as JSON; a time as one reads it."""
    from obverse.solver.realise import iso

    if value is None:
        return _ABSENT
    return iso(int(value)) if member == "time" else value
