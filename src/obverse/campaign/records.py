"""What a run is made of: the plan that was fixed first, the trials that came of it, and the summary that reports render."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from obverse.cases.records import Case
from obverse.core.chat import Sampling, Usage
from obverse.core.events import AnyEvent
from obverse.core.verdicts import Outcome, Side

Mode: TypeAlias = Literal["step", "dialogue"]


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """Money per million tokens, in any one currency; decimal numerals, since it is money."""

    prompt: str
    completion: str
    currency: str = "USD"


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """Where one start of a run must end, whatever it has claimed by then; resuming starts anew. None is no cap.

    Nothing is begun beyond a cap; what is under way is finished, so a dialogue may end some calls later.
    """

    calls: int | None = None
    tokens: int | None = None
    money: str | None = None
    seconds: float | None = None


class ClaimPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One claim that will be settled: this clause, this side, below this rate, with this confidence, against this attacker.

    `clause` is `*` for the claim over all clauses. `cases` are the ids of its population, in a fixed order. `smallest` is
    the smallest rate that its trials can rule out if none is broken; None if they can rule out nothing.
    """

    clause: str
    side: Side
    threshold: float
    confidence: float
    cases: tuple[str, ...]
    trials: int
    smallest: float | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is fixed before the first trial (L18). Its digest names the run; a resumed run must have the same.

    `trials` counts the calls planned at most; `prompt_tokens` and `completion_tokens` are estimates, `money` follows from
    them where a price was given. `attacker` says what the attacker may do: here, plain requests without any device.
    """

    policy: str
    policy_name: str
    policy_version: str
    suite: str
    target: str
    fingerprint: str
    mode: Mode
    sampling: Sampling
    seed: int
    per_case: int
    confidence: float
    attacker: str
    stopping: str
    family_wise: str
    claims: tuple[ClaimPlan, ...]
    judges: tuple[str, ...]
    caps: Caps = Caps()
    price: Price | None = None
    trials: int
    prompt_tokens: int
    completion_tokens: int
    money: str | None = None


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One trial that has ended, as the journal holds it. `key` is its content key: case, target, sampling, round.

    `transcript` is what really came about, the pre-filled history included; `offending` is the id of the event that broke
    (or did not keep) what was expected; `clauses` are the clauses it broke. `calls` and `usage` are those of all attempts.
    """

    key: str
    case: str
    round: int
    outcome: Outcome
    reason: str
    clauses: tuple[str, ...] = ()
    offending: str | None = None
    transcript: tuple[AnyEvent, ...] = ()
    usage: Usage = Usage()
    calls: int = 1
    attempts: int = 1
    seconds: float | None = None
    error: str | None = None


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How many trials ended how; never fewer than these four."""

    kept: int = 0
    broken: int = 0
    unscored: int = 0
    error: int = 0


class JudgeLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says of a judge that took part: measured error with intervals, or that it is not known."""

    predicate: str
    judge: str
    measured_on: str | None = None
    sensitivity: tuple[float, float, float] | None = None
    specificity: tuple[float, float, float] | None = None


class ClaimLine(msgspec.Struct, frozen=True, kw_only=True):
    """One settled or unsettled claim, as reports and `--json` show it. The rate is that of broken trials.

    `estimate` is None without data; `worst_low`..`worst_high` bound the rate over all that unscored and failed trials may
    have been (L11); `more` is how many further trials without a failure would settle it.
    """

    clause: str
    side: Side
    threshold: float
    confidence: float
    n: int
    cases: int
    broken: int
    unscored: int
    error: int
    estimate: float | None
    low: float | None
    high: float | None
    exact_low: float | None = None
    exact_high: float | None = None
    worst_low: float | None = None
    worst_high: float | None = None
    verdict: Literal["holds", "fails", "undecided"]
    why: str
    more: int | None = None
    method: str = ""
    judge: str | None = None
    """The card of the judge whose error the claim carries, in one line; None where its outcomes rest on no judge."""


class CaseLine(msgspec.Struct, frozen=True, kw_only=True):
    """A case with how its trials ended, and up to a few of those that were not kept."""

    case: Case
    tally: Tally
    shown: tuple[Trial, ...] = ()


class ClauseView(msgspec.Struct, frozen=True, kw_only=True):
    """One clause with everything known of it. `rules` are texts as the author wrote them; `coverage` is level → counts."""

    id: str
    title: str
    prose: str
    level: str
    severity: str
    inviolable: bool
    rules: tuple[str, ...]
    claims: tuple[ClaimLine, ...]
    cases: tuple[CaseLine, ...]
    coverage: dict[str, dict[str, int]]
    infeasible: tuple[str, ...] = ()
    calls: int = 0
    tokens: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report says of a run. `verdict` is the exit: all claims hold, one fails, or some are undecided.

    `complete` is false for a run that was cut short; `ended` says by what.
    """

    schema: str = "obverse.summary/1"
    plan: Plan
    plan_digest: str
    started: str | None
    seconds: float | None
    complete: bool
    ended: str
    verdict: Literal["holds", "fails", "undecided"]
    tally: Tally
    overall: tuple[ClaimLine, ...]
    clauses: tuple[ClauseView, ...]
    judges: tuple[JudgeLine, ...] = ()
    calls: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    money: str | None = None
    errors: dict[str, int] = {}
    version: str = ""
