"""`obverse suggest`: from a step that should not have happened to rules that would have stopped it, and what else they would have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.output import json_option, note, one_line, print_json, say, when_interrupted
from obverse.core.errors import MisuseError
from obverse.core.events import Call

if TYPE_CHECKING:
    from obverse.draft.suggest import Seen, Suggestion

_SHOWN = 5


@click.command()
@click.argument("policy", type=click.Path(path_type=Path))
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, metavar="[TRANSCRIPTS]...")
@click.option("--from-ledger", "ledger", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR",
              help="Learn from what a guard recorded: its ledger, or its home.")  # fmt: skip
@click.option("--bad", multiple=True, metavar="STEP", help="What should not have happened: `SESSION:STEP`, or "
              "`TRANSCRIPT:MESSAGE` as `obverse audit` names it. Without it, the calls are listed.")  # fmt: skip
@click.option("--most", type=click.IntRange(min=1, max=50), default=5, show_default=True, help="How many suggestions.")
@click.option("--start", metavar="TIME", help="When a transcript without a clock began, such as 2024-05-15T15:00:00.")
@json_option
def suggest(
    policy: Path,
    *,
    files: tuple[Path, ...],
    ledger: Path | None,
    bad: tuple[str, ...],
    most: int,
    start: str | None,
    as_json: bool,
) -> ExitCode:
    """Suggest rules for POLICY that would have stopped a step, with a preview of what else they would have stopped.

    The past is what a guard recorded, or recorded transcripts. Nothing is changed: put the rule that you mean into the
    policy, and let `obverse diff` say what it newly denies beyond the past. Exits 4 if nothing tells the bad steps apart.
    """
    from obverse.cli.load import beside, load, read_policy
    from obverse.cli.past import ledger_past, ledger_seen, transcripts_seen
    from obverse.draft.suggest import suggest as suggested

    checked = load(policy)
    if (ledger is None) == (not files):
        raise MisuseError(
            "neither a ledger nor transcripts, or both", code="U031", hint="name transcripts, or --from-ledger DIR"
        )
    erased = 0
    with when_interrupted("nothing was written"):
        if ledger is not None:
            past = ledger_past(ledger)
            erased, seen = past.erased, ledger_seen(past)
        else:
            seen = transcripts_seen(files, checked, start)
        if not bad:
            return _list(seen, as_json=as_json)
        named = _named(seen, bad)
        found = suggested(
            read_policy(policy).decode(), named, [one for one in seen if one.name not in set(bad)],
            source=str(policy), files=beside(policy), most=most,
        )  # fmt: skip
    if as_json:
        print_json({"policy": {"name": checked.name, "version": checked.version, "digest": checked.digest},
                    "bad": bad, "steps": len(seen), "erased": erased, "suggestions": found})  # fmt: skip
    else:
        _print(found, len(named))
        if erased:
            note(f"{erased} steps could not be looked at: they or something before them were erased")
    return ExitCode.HOLDS if found else ExitCode.UNDECIDED


def _list(seen: list[Seen], *, as_json: bool) -> ExitCode:
    """The calls that there are, so that one can be named."""
    calls = [(one, one.step.event) for one in seen]
    rows = [
        {"step": one.name, "tool": event.tool, "arguments": event.arguments, "released": one.released}
        for one, event in calls
        if isinstance(event, Call)
    ]
    if as_json:
        print_json({"calls": rows})
    for row in () if as_json else rows:
        held = "" if row["released"] else "  (stopped)"
        say(one_line(f"{row['step']}  {row['tool']} {row['arguments']}{held}"))
    return ExitCode.HOLDS


def _named(seen: list[Seen], bad: tuple[str, ...]) -> list[Seen]:
    """The steps of these names."""
    known = {one.name for one in seen}
    for name in bad:
        if name not in known:
            near = ", ".join(f"`{other}`" for other in sorted(known)[:3])
            raise MisuseError(
                f"no step `{name}` in the past", code="U032", hint=f"there are {len(known)}, such as {near}"
            )
    return [one for one in seen if one.name in set(bad)]


def _print(found: tuple[Suggestion, ...], bad: int) -> None:
    if not found:
        say("nothing that can be said in a rule tells these steps from the others")
        return
    for one in found:
        say(one_line(one.rule))
        others = f"and {len(one.also)} of {one.of} other calls" if one.also else f"and none of {one.of} other calls"
        already = f", {one.already} of which were stopped anyway" if one.already else ""
        say(f"    would have stopped {'it' if bad == 1 else f'all {bad}'} {others}{already}")
        for name in one.also[:_SHOWN]:
            say(one_line(f"      {name}"))
        if len(one.also) > _SHOWN:
            say(f"      … and {len(one.also) - _SHOWN} more")
        if one.memorises:
            say("    holds a text that was seen: it stops this again, and nothing like it")
        say()
    say("Put what you mean into the policy; `obverse diff` says what it denies beyond this past.")
