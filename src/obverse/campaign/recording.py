"""A run, entered into a ledger while it goes on: the plan first, then what was answered, then what was concluded (L18).

    run.plan     before anything is asked: `run` (digest of the plan), policy, suite, target, mode, trials, seed; the plan as a payload
    run.start    each start: `run`, how many trials were answered before it
    run.trials   some trials that have ended: `run`, for each its key and the digest of what the journal holds of it
    run.claims   `run`, verdict, whether it is complete, why it ended, the tally; the claims as a payload
    run.report   `run`, SHA-256 of each file of the report

Whether that order held, `recorded` says from the log. What was answered is in the journal of the run and not here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from obverse.campaign.records import Plan, Summary, Trial
from obverse.campaign.summary import plan_digest
from obverse.core.canon import digest_bytes
from obverse.core.errors import MisuseError
from obverse.ledger.entries import SALT_SIZE, Entry, payload_of
from obverse.ledger.log import Log

BATCH: Final = 200
"""Trials of one entry: it must fit into 65,535 bytes."""

_encode = msgspec.json.Encoder().encode


def trial_digest(trial: Trial) -> str:
    """The digest of a trial as the journal holds it."""
    return digest_bytes(_encode(trial))


class Recording:
    """Enters one run into a log. The clock gives milliseconds since the epoch, `fresh` random bytes."""

    def __init__(self, log: Log, plan: Plan, *, clock: Callable[[], int], fresh: Callable[[int], bytes]) -> None:
        self._log, self._plan, self._clock, self._fresh = log, plan, clock, fresh
        self._run = plan_digest(plan)
        self._ended: list[tuple[str, str]] = []

    def begin(self, before: Iterable[Trial], entered: Mapping[str, str] | None) -> None:
        """The plan is durable in the log when this returns, and so is what was answered before and is not in it yet.

        `entered` is what the log holds of this run, by key the digest of the trial; None where it holds no plan.

        Raises:
            MisuseError: there are answers, and no plan was entered before they came.
        """
        answers = list(before)
        if entered is None:
            if answers:
                raise MisuseError(
                    "the run was begun without a ledger, so its plan cannot come first any more", code="R121",
                    hint="go on without --ledger, or begin a new run",
                )  # fmt: skip
            self._plan_first()
        self._enter("run.start", {"run": self._run, "answered": len(answers)})
        for trial in answers:
            if (entered or {}).get(trial.key) != trial_digest(trial):
                self.trial(trial)

    def _plan_first(self) -> None:
        plan = self._plan
        body = {
            "run": self._run, "policy": plan.policy, "suite": plan.suite, "target": plan.target, "mode": plan.mode,
            "trials": plan.trials, "seed": plan.seed,
        }  # fmt: skip
        self._enter("run.plan", body, {"plan": _encode(plan)})

    def trial(self, trial: Trial) -> None:
        """A trial has ended."""
        self._ended.append((trial.key, trial_digest(trial)))
        if len(self._ended) >= BATCH:
            self._flush()

    def end(self, summary: Summary, files: Mapping[str, bytes]) -> None:
        """What was concluded, and the report as it was written."""
        self._flush()
        claims = [*summary.overall, *(claim for view in summary.clauses for claim in view.claims)]
        body = {
            "run": self._run, "verdict": summary.verdict, "complete": summary.complete, "ended": summary.ended,
            "tally": msgspec.to_builtins(summary.tally), "claims": len(claims),
        }  # fmt: skip
        self._enter("run.claims", body, {"claims": _encode(claims)})
        self._enter(
            "run.report", {"run": self._run, "files": {name: digest_bytes(data) for name, data in files.items()}}
        )

    def _flush(self) -> None:
        if self._ended:
            self._enter("run.trials", {"run": self._run, "trials": self._ended})
            self._ended = []

    def _enter(self, kind: str, body: Mapping[str, object], payloads: Mapping[str, bytes] | None = None) -> None:
        kept = {name: payload_of(data, self._fresh(SALT_SIZE)) for name, data in (payloads or {}).items()}
        commitments = {name: payload.commitment for name, payload in kept.items()}
        self._log.append(Entry(type=kind, time=self._clock(), body=body, payloads=commitments), kept)
