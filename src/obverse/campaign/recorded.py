"""What a ledger shows of runs: that each plan came before what it planned (L18), and that a run's folder holds what was entered.

Reads entries; the log itself is checked by `ledger.verify` before. A run of which the log holds nothing is no fault: nobody is forced
to enter one, which is among the things that a log does not prove.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from obverse.campaign.journal import read_plan, read_trials
from obverse.campaign.recording import trial_digest
from obverse.campaign.records import Plan
from obverse.campaign.summary import plan_digest
from obverse.core.canon import digest_bytes
from obverse.core.errors import UntrustedInputError
from obverse.ledger.contents import Item


class RunFound(msgspec.Struct):
    """One run, as far as the log tells of it. `trials` maps a key to the digest of the newest answer."""

    run: str
    planned: int
    target: str
    trials: dict[str, str]
    verdict: str | None = None
    complete: bool = False
    files: dict[str, str] = {}


class RunsFound(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of a log, and what cannot be, each with its entry."""

    runs: tuple[RunFound, ...]
    faults: tuple[str, ...]


class Reading:
    """The runs under way while a log is read."""

    def __init__(self) -> None:
        self._runs: dict[str, RunFound] = {}
        self._faults: list[str] = []

    def take(self, item: Item) -> None:
        """The next entry."""
        if item.entry.type.startswith("run."):
            try:
                fault = self._take(item)
            except (KeyError, TypeError, ValueError, AttributeError):
                fault = "its body is not of a known form"
            if fault is not None:
                self._faults.append(f"entry {item.index:,}: {item.entry.type}: {fault}")

    @property
    def found(self) -> RunsFound:
        """What was read."""
        return RunsFound(runs=tuple(self._runs.values()), faults=tuple(self._faults))

    def _take(self, item: Item) -> str | None:
        body, kind = item.entry.body, item.entry.type
        name = str(body["run"])
        if kind == "run.plan":
            if name in self._runs:
                return "the plan was entered before"
            self._runs[name] = RunFound(run=name, planned=int(body["trials"]), target=str(body["target"]), trials={})
            data = item.payloads.get("plan")
            if data is not None and plan_digest(_plan(data)) != name:
                return "the plan is not the one that names the run"
            return None
        run = self._runs.get(name)
        if run is None:
            return "no plan was entered before it"
        if kind == "run.trials":
            run.trials.update({str(key): str(digest) for key, digest in body["trials"]})
            if len(run.trials) > run.planned:
                return f"{len(run.trials):,} trials, and {run.planned:,} were planned"
        if kind == "run.claims":
            run.verdict, run.complete = str(body["verdict"]), bool(body["complete"])
            if sum(int(count) for count in body["tally"].values()) > len(run.trials):
                return "more trials are counted than were entered"
        if kind == "run.report":
            run.files = {str(file): str(digest) for file, digest in body["files"].items()}
        return None


def runs_of(items: Iterable[Item]) -> RunsFound:
    """The runs in a log."""
    reading = Reading()
    for item in items:
        reading.take(item)
    return reading.found


def compare_folder(folder: Path, found: RunsFound) -> tuple[str, ...]:
    """In what the folder of a run differs from what the log holds of it; nothing, if in nothing.

    Raises:
        UntrustedInputError: the folder holds no run, or was damaged.
    """
    plan, _ = read_plan(folder)
    name = plan_digest(plan)
    run = next((run for run in found.runs if run.run == name), None)
    if run is None:
        return (f"the log holds no plan `{name[:19]}…`",)
    faults = []
    kept = {trial.key: trial_digest(trial) for trial in read_trials(folder)}
    missing = [key for key in run.trials if key not in kept]
    more = [key for key in kept if key not in run.trials]
    others = [key for key in kept if run.trials.get(key, kept[key]) != kept[key]]
    for what, keys in (("gone from", missing), ("not in the log, but in", more), ("others in", others)):
        if keys:
            faults.append(f"{len(keys):,} trials are {what} the journal, such as `{keys[0][:40]}`")
    for file, digest in run.files.items():
        path = folder / file
        if path.is_file() and digest_bytes(path.read_bytes()) != digest:
            faults.append(f"`{file}` is not the report that was entered")
    return tuple(faults)


def _plan(data: bytes) -> Plan:
    try:
        return msgspec.json.decode(data, type=Plan)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UntrustedInputError("a payload that is no plan", code="R120") from error
