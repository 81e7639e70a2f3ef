"""What a judge is asked, what it answers, and how well it is known to answer.

    Predicate + text + Context ─judge→ Judgement            any `Judge`
    Judge + Labelled… ─calibrate→ JudgeCard                 `calibration`

Laws: an answer is yes, no or unknown and never a bool; every judgement names the judge by its identity; a judge without
labels has a card that says `uncalibrated` and no number (L11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from obverse.core.canon import digest
from obverse.core.chat import ChatMessage, Completion, Sampling
from obverse.core.verdicts import Truth
from obverse.policy.ast import JudgedTerm

Answer: TypeAlias = Literal["yes", "no", "unknown"]


class Predicate(msgspec.Struct, frozen=True, kw_only=True):
    """A question about a text: `reply.refuses`, what it means, and texts for which it is true and false."""

    name: str
    definition: str
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()

    @classmethod
    def of(cls, term: JudgedTerm) -> Predicate:
        """The predicate that a policy's term declares."""
        return cls(name=term.full_name, definition=term.definition, yes=term.yes, no=term.no)


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What was said before the text; `request` is what the text answers, or None where that is not known."""

    request: str | None = None


NO_CONTEXT = Context()


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. `score` is the judge's own estimate that it is yes, where it has one; it is no probability by itself.

    `reason` is for the log and may quote the text; the agent never sees it (L17). `judge` is the identity of the judge.
    `is_settled` is false where the same question may be answered later: a time-out, an endpoint that was down.
    """

    predicate: str
    answer: Answer
    reason: str
    judge: str
    score: float | None = None
    is_settled: bool = True

    @property
    def truth(self) -> Truth:
        """The answer as a value of Kleene's logic."""
        return {"yes": Truth.TRUE, "no": Truth.FALSE}.get(self.answer, Truth.UNKNOWN)


class Judge(Protocol):
    """Anything that answers questions about texts. `identity` changes when its answers could change."""

    @property
    def identity(self) -> str:
        """A digest of all that its answers depend on."""
        ...

    async def judge(self, predicate: Predicate, text: str, context: Context = NO_CONTEXT) -> Judgement:
        """The answer; doubt, time-outs and nonsense are `unknown` with a reason, never an exception."""
        ...


class Asks(Protocol):
    """A model that can be asked: what `ModelJudge` needs of a target, and no more. Every `targets.Target` is one."""

    def fingerprint(self) -> str:
        """What it is: two with one fingerprint are meant to answer alike."""
        ...

    async def complete(self, messages: Sequence[ChatMessage], *, sampling: Sampling) -> Completion:
        """What the model answers to these messages.

        Raises:
            UnavailableError: it gave no answer.
        """
        ...


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """`hits` of `of` with an exact (Clopper–Pearson) interval. There is no rate of nothing: `of` is at least 1 (L10)."""

    hits: int
    of: int
    low: float
    high: float

    @property
    def estimate(self) -> float:
        """The share; never to be shown without the interval."""
        return self.hits / self.of


class JudgeCard(msgspec.Struct, frozen=True, kw_only=True):
    """How well a judge answers one predicate, and on what that was measured.

    `sensitivity` and `specificity` are over the labels that it *answered*; `abstained` counts the others, and
    `sensitivity_worst`, `specificity_worst` count each of those as wrong. A rate without labels is None, not 0.
    """

    judge: str
    predicate: str
    measured_on: str
    labels: int
    confidence: float
    abstained: int
    accuracy: Rate | None = None
    sensitivity: Rate | None = None
    specificity: Rate | None = None
    sensitivity_worst: Rate | None = None
    specificity_worst: Rate | None = None
    note: str = ""

    @property
    def is_calibrated(self) -> bool:
        """Whether both errors were measured."""
        return self.sensitivity is not None and self.specificity is not None

    def says(self) -> str:
        """The card in one line, as it is printed with every claim that used the judge."""
        if self.sensitivity is None or self.specificity is None:
            return f"judge of `{self.predicate}`: uncalibrated, its error is unknown"
        return (
            f"judge of `{self.predicate}`: sensitivity {_percent(self.sensitivity)}, specificity "
            f"{_percent(self.specificity)}, abstained {self.abstained} of {self.labels}, on {self.measured_on}"
        )


def uncalibrated(judge: Judge, predicate: Predicate) -> JudgeCard:
    """The card of a judge that nobody has measured yet."""
    return JudgeCard(
        judge=judge.identity, predicate=predicate.name, measured_on="nothing", labels=0, confidence=0.95, abstained=0
    )


def judgement_key(judge: str, predicate: Predicate, text: str, context: Context) -> str:
    """The content key of a judgement: equal keys have equal answers, whoever asks and whenever."""
    return digest({"judge": judge, "predicate": predicate, "text": text, "context": context})


def _percent(rate: Rate) -> str:
    return f"{rate.estimate:.1%} [{rate.low:.1%}, {rate.high:.1%}]"
