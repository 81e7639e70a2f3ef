"""`obverse ledger verify` and `fsck`: does the evidence hold, and does what guards decided come out again?"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from obverse.cli.exit_codes import ExitCode
from obverse.cli.ledger_files import LARGEST_NOTE, files_at, key_option, read_keys, read_trust
from obverse.cli.output import json_option, note, one_line, print_json, say, when_interrupted

if TYPE_CHECKING:
    from obverse.guard.tally import Replayed
    from obverse.ledger.checkpoint import Trust
    from obverse.ledger.looks import Check
    from obverse.ledger.reader import Files
    from obverse.ledger.verify import Verification

_SHOWN = 10  # faults of one kind on a terminal; --json has more


@click.command(short_help="Does the evidence hold?")
@click.argument("log", metavar="DIR|BUNDLE", type=click.Path(path_type=Path))
@key_option
@click.option("--witness", "witnesses", multiple=True, metavar="KEY", help="A witness's key, the same way.")
@click.option("--quorum", type=click.IntRange(min=0), help="How many witnesses must have signed; all, if not said.")
@click.option("--trust", type=click.Path(path_type=Path), help="A C2SP tlog-policy file in place of these three.")
@click.option("--origin", help="The log must be this one.")
@click.option(
    "--older", multiple=True, type=click.Path(path_type=Path),
    help="A checkpoint that you kept: it must be a beginning of this log.",
)  # fmt: skip
@click.option("--no-replay", is_flag=True, help="Do not decide again what guards decided.")
@click.option(
    "--people", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder of the keys by which people approve and grant; without it their signatures are not checked.",
)  # fmt: skip
@click.option(
    "--run", "runs", multiple=True, type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder of a run: it must be what the log holds of it.",
)  # fmt: skip
@json_option
def verify(log: Path, **given: Any) -> ExitCode:
    """Check a log, or a bundle of one, from its checkpoint down to its last byte, and say what that does not prove.

    What guards decided is decided again from the log, by the policy that lies in it. Exits 0 where all holds, 4 without a
    key (nobody vouches for the checkpoint then), 5 where anything does not hold.
    """
    from obverse.cli.load import read_file
    from obverse.ledger.verify import read_older
    from obverse.ledger.verify import verify as verified

    kept = [read_older(read_file(path, LARGEST_NOTE, "the checkpoint")) for path in given["older"]]
    trust = read_trust(given["keys"], given["witnesses"], given["quorum"], given["trust"])
    files = files_at(log)
    with when_interrupted("nothing was changed; run it again"), _Progress("entries") as progress:
        found = verified(files, trust, origin=given["origin"], older=kept, told=progress.tell)
    replayed = None
    more: list[Check] = []
    if found.outcome != "fails":
        with when_interrupted("nothing was changed; run it again"), _Progress("entries replayed") as progress:
            replayed, more = _contents(files, given, progress)
        more += [*_beside(files), *_statement(files, trust)]
    outcome = "fails" if any(check.outcome == "fails" for check in more) else found.outcome
    beyond = _not_proved(replayed)
    if given["as_json"]:
        print_json(_document(log, found, more, outcome, replayed, beyond))
    else:
        _print(found, more, outcome, replayed, beyond)
    return {"holds": ExitCode.HOLDS, "fails": ExitCode.UNVERIFIED, "not checked": ExitCode.UNDECIDED}[outcome]


def _contents(files: Files, given: dict[str, Any], progress: _Progress) -> tuple[Replayed | None, list[Check]]:
    """What guards decided and what runs entered, in one reading."""
    from obverse.campaign.recorded import Reading, compare_folder
    from obverse.guard.people import read_people
    from obverse.guard.replay import Replaying
    from obverse.ledger.contents import Contents
    from obverse.ledger.looks import Check

    people = None if given["people"] is None else read_people(given["people"])
    contents, runs, replaying = Contents(files), Reading(), Replaying(people)
    for item in contents.items():
        runs.take(item)
        if not given["no_replay"]:
            replaying.take(item)
        if item.index % 256 == 0:  # once a bundle
            progress.tell(item.index, contents.size)
    checks: list[Check] = []
    found = runs.found
    faults = [*found.faults, *(fault for folder in given["runs"] for fault in compare_folder(folder, found))]
    if found.runs or faults:
        said = "; ".join(faults[:_SHOWN]) if faults else f"the plan of each of {len(found.runs):,} runs came first"
        checks.append(Check(name="runs", outcome="fails" if faults else "holds", found=said))
    replayed = None if given["no_replay"] else replaying.end()
    if replayed is not None and replayed.guarded:
        checks.append(Check(name="replay", outcome=replayed.outcome, found=_summary(replayed)))
    return replayed, checks


def _beside(files: Files) -> list[Check]:
    """That what stands in a bundle beside the log is what the log says: a reader would believe it."""
    from obverse.campaign.attesting import check_beside
    from obverse.core.errors import EvidenceError
    from obverse.ledger.bundle import Bundle
    from obverse.ledger.looks import Check

    if not isinstance(files, Bundle):
        return []
    try:
        count = check_beside(files)
    except EvidenceError as error:
        return [Check(name="beside", outcome="fails", found=error.message)]
    return [
        Check(name="beside", outcome="holds", found=f"{count:,} files beside the log are as it says, or only listed")
    ]


def _statement(files: Files, trust: Trust | None) -> list[Check]:
    """That the statement in a bundle is about this log, and signed by a key of it."""
    from obverse.campaign.attesting import check_statement
    from obverse.core.errors import EvidenceError
    from obverse.ledger.bundle import STATEMENT
    from obverse.ledger.looks import Check

    data = files.read(STATEMENT)
    if data is None or trust is None:
        return []
    try:
        check_statement(data, files, [key.public for key in trust.log if key.algorithm == "ed25519"])
    except EvidenceError as error:
        return [Check(name="statement", outcome="fails", found=error.message)]
    return [Check(name="statement", outcome="holds", found="it says of this log what the log says")]


def _summary(found: Replayed) -> str:
    if found.fault_count:
        return f"{found.fault_count:,} faults, such as {found.faults[0]}"
    parts = [f"{found.replayed:,} of {found.decisions:,} decisions of {found.sessions:,} sessions come out again"]
    parts += [f"{found.unreplayable_count:,} rest on what was erased"] if found.unreplayable_count else []
    return "; ".join([*parts, *(f"not checked: {one}" for one in found.unchecked)])


def _not_proved(found: Replayed | None) -> list[str]:
    from obverse.guard.replay import lines

    return lines(found) if found is not None and found.guarded else []


@click.command(short_help="A second opinion, by other code.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@key_option
@json_option
def fsck(folder: Path, *, keys: tuple[str, ...], as_json: bool) -> ExitCode:
    """Check a log by code that shares no line with what wrote it. Exits 5 where anything is wrong.

    The log should not be written meanwhile.
    """
    from obverse.ledger.fsck import fsck as faults_of

    began = time.monotonic()
    faults = faults_of(folder, [str(key) for key in read_keys(keys)])
    if as_json:
        print_json({"log": str(folder), "faults": faults, "seconds": round(time.monotonic() - began, 3)})
    else:
        for fault in faults:
            say(one_line(fault))
        note(f"{len(faults)} faults" if faults else "nothing is wrong")
    return ExitCode.UNVERIFIED if faults else ExitCode.HOLDS


# --- how it is shown ------------------------------------------------------------------------------------------------------


class _Progress:
    """Done, rate and time left on stderr, where it takes longer than a moment."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.began = self.told = time.monotonic()
        self.on_terminal = sys.stderr.isatty()
        self.shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.shown and self.on_terminal:
            click.echo("\r\033[K", err=True, nl=False)

    def tell(self, done: int, total: int) -> None:
        """So many of so many."""
        now = time.monotonic()
        if now - self.told < (0.3 if self.on_terminal else 10):
            return
        self.told, self.shown = now, True
        rate = done / (now - self.began)
        left = (total - done) / rate if rate else 0
        text = f"{done:,}/{total:,} {self.what}  {rate:,.0f}/s  {left:,.0f} s left"
        click.echo(f"\r\033[K{text}" if self.on_terminal else text, err=True, nl=not self.on_terminal)


def _document(
    path: Path, found: Verification, more: list[Check], outcome: str, replayed: Replayed | None, beyond: list[str]
) -> dict[str, object]:
    head = found.head
    return {
        "log": str(path),
        "outcome": outcome,
        "checkpoint": {"origin": head.origin, "size": head.size, "root": head.root.hex()} if head else None,
        "checks": [*found.checks, *more],
        "witnesses": [{"name": one.key.name, "time": one.time} for one in found.witnesses],
        "pending": found.pending,
        "replay": replayed if replayed is not None and replayed.guarded else None,
        "not_proved": [*found.not_proved, *beyond],
    }


def _print(found: Verification, more: list[Check], outcome: str, replayed: Replayed | None, beyond: list[str]) -> None:
    checks = [*found.checks, *more]
    width = max(len(check.name) for check in checks)
    for check in checks:
        say(one_line(f"{check.outcome:<11}  {check.name:<{width}}  {check.found}"))
    if replayed is not None:
        for title, named in (("fault", replayed.faults), ("gap", replayed.gaps), ("erased", replayed.unreplayable)):
            for one in named[:_SHOWN]:
                say(one_line(f"{title}: {one}"))
            if len(named) > _SHOWN:
                say(f"{title}: and {len(named) - _SHOWN} more")
    say()
    say(
        {"holds": "The log holds.", "fails": "The log does not hold. Do not trust it."}.get(
            outcome, "Nobody vouches for it."
        )
    )
    if found.head is not None:
        say("It does not prove")
        for line in [*found.not_proved, *beyond]:
            say(f"  - {line}")
