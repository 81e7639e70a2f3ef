"""What was decided before, for commands that learn from it: out of a ledger, or out of transcripts; not a command itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from obverse.core.errors import MisuseError, UntrustedInputError

if TYPE_CHECKING:
    from obverse.core.events import AnyEvent, Transcript
    from obverse.draft.suggest import Seen
    from obverse.guard.past import Past
    from obverse.policy.checked import Checked


def ledger_past(folder: Path) -> Past:
    """Every proposal that the ledger of a guard knows; `folder` is the log, or the home of a guard.

    Raises:
        MisuseError: if there is no log.
        EvidenceError: if what is there is not in form. Whether it is whole is for `obverse ledger verify` to say.
    """
    from obverse.guard.past import past_of
    from obverse.ledger.contents import Contents
    from obverse.ledger.reader import Folder, read_head

    log = folder / "ledger" if (folder / "ledger").is_dir() else folder
    files = Folder(log)
    if read_head(files) is None:
        raise MisuseError(f"no log in `{folder}`", code="E107", hint="name the folder of a ledger or of a guard")
    return past_of(Contents(files).items())


def ledger_seen(past: Past) -> list[Seen]:
    """The same as steps with names: `SESSION:STEP`."""
    from obverse.draft.suggest import Seen

    return [
        Seen(name=f"{one.session}:{one.step.event.id}", history=one.history, step=one.step, released=one.released)
        for one in past.steps
    ]


def transcripts_seen(paths: tuple[Path, ...], checked: Checked, start: str | None) -> list[Seen]:
    """The steps of recorded transcripts: `TRANSCRIPT:MESSAGE` as `obverse audit` counts messages, or `TRANSCRIPT:EVENT`.

    Raises:
        UntrustedInputError: if one cannot be read: a preview over a part of the past would be a promise about the whole.
    """
    from obverse.cli.reading import reading_of
    from obverse.core.transcripts import Unreadable, read_transcripts

    found: list[Seen] = []
    for path in paths:
        with path.open("rb") as source:
            for item in read_transcripts(source, reading=reading_of(start, checked)):
                if isinstance(item, Unreadable):
                    raise UntrustedInputError(item.error.message, code=item.error.code, source=f"{path}:{item.line}")
                found += _steps(item)
    return found


def _steps(transcript: Transcript) -> Iterator[Seen]:
    """Each step after what happened before its turn."""
    from obverse.draft.suggest import Seen
    from obverse.policy.steps import steps_of, turns_of

    history: tuple[AnyEvent, ...] = ()
    for item in turns_of(transcript.events):
        if not isinstance(item, tuple):
            history = (*history, item)
            continue
        for step in steps_of(item):
            named = step.event.id if step.event.origin is None else str(step.event.origin)
            yield Seen(name=f"{transcript.id}:{named}", history=history, step=step)
        history = (*history, *item)
