"""What `obverse run --ledger` adds to a run: it is entered into a log while it goes on. Not a command."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from obverse.campaign.recording import Recording
    from obverse.campaign.records import Plan, Summary

_LARGEST_KEY = 1_000_000


@contextmanager
def recording_of(given: dict[str, Any], plan: Plan, folder: Path) -> Iterator[Recording | None]:
    """The recording of this run, with its plan entered; None where no ledger was named."""
    if given["ledger"] is None:
        if given["key_file"] or given["name"]:
            raise click.UsageError("--key-file and --name go with --ledger")
        yield None
        return
    if not given["key_file"] or not given["name"]:
        raise click.UsageError("--ledger needs --key-file and --name: the key that signs the log")
    from obverse.campaign.journal import NAME, read_trials
    from obverse.campaign.recorded import runs_of
    from obverse.campaign.recording import Recording
    from obverse.campaign.summary import plan_digest
    from obverse.cli.load import read_file
    from obverse.ledger.contents import Contents
    from obverse.ledger.keys import FileSigner, read_key_file
    from obverse.ledger.log import Log, Rhythm
    from obverse.ledger.reader import Folder

    signer = FileSigner(given["name"], read_key_file(read_file(given["key_file"], _LARGEST_KEY, "the key")))
    with Log.open(given["ledger"], [signer], rhythm=Rhythm()) as log:
        name = plan_digest(plan)
        runs = runs_of(Contents(Folder(given["ledger"])).items()).runs
        entered = next((run.trials for run in runs if run.run == name), None)
        answered = read_trials(folder) if given["resume"] and (folder / NAME).is_file() else iter(())
        recording = Recording(log, plan, clock=lambda: time.time_ns() // 1_000_000, fresh=secrets.token_bytes)
        recording.begin(answered, entered)
        yield recording


def end(recording: Recording | None, summary: Summary, folder: Path) -> None:
    """Enters what was concluded, and the report that lies in the folder."""
    if recording is not None:
        files = {name: (folder / name).read_bytes() for name in ("report.json", "junit.xml", "report.html")}
        recording.end(summary, files)
