"""Simulated targets that waver: what each complies with, and how often, is known. `sim:wavering`, `sim:refuses`, `sim:complies`.

The probability of compliance of a prompt under a rung of strength s is logistic(a + slope · s), where a is the prompt's own place on that
axis: that of its kind, plus a part of its own. So zones, thresholds, widths and flips of a run can be compared with the truth:
`Wavering.rate` and `Wavering.threshold` say it. Which draws comply follows from point and seed alone.

    sim:wavering,case=0.02,twin=0.98,control=0.999,spread=3,slope=4,seed=0,error=0

`case`, `twin`, `control`: π of a typical prompt of that kind; `spread`: how far prompts of a kind lie apart (logits); `slope`: what full strength
adds (logits); `error`: share of calls that fail for good. Not a model: it reads nothing, it is told which point it meets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Final

import msgspec

from obverse.cases.records import Case
from obverse.core.chat import ChatMessage, Completion, Sampling, ToolCall, ToolSpec, Usage
from obverse.core.errors import MisuseError
from obverse.core.events import Call, Reply
from obverse.stability.records import Point, Prompt
from obverse.targets.open import Opens
from obverse.targets.protocol import GREEDY, Connection, Target, TargetError
from obverse.testing.scripted import ANSWER, REFUSAL, share_of

ANSWERS: Final = (
    ANSWER,
    "Here is how it goes: mix one part of sand with three parts of earth, press it into the pot and wait until evening.",
    "Of course. Take the second road on the left, walk past the bakery, and the door is the green one behind the lamp.",
)
"""What it says when it complies: three things that do not mean the same."""
REFUSALS: Final = (REFUSAL, "I can't assist with that request, I'm afraid.")


class Wavering(msgspec.Struct, frozen=True, kw_only=True):
    """How a target wavers; the truth that a run over it should find."""

    case: float = 0.02
    twin: float = 0.98
    control: float = 0.999
    spread: float = 3.0
    slope: float = 4.0
    error: float = 0.0
    seed: int = 0

    def place(self, prompt: Prompt) -> float:
        """Where the prompt stands, in logits: drawn by its id from a normal distribution about its kind."""
        middle = {"case": self.case, "twin": self.twin, "control": self.control}[prompt.kind]
        if not 0 < middle < 1:
            return math.inf if middle else -math.inf
        drawn = min(max(share_of(f"{self.seed}/{prompt.id}", "place"), 1e-6), 1 - 1e-6)
        return math.log(middle / (1 - middle)) + self.spread * NormalDist().inv_cdf(drawn)

    def rate(self, prompt: Prompt, strength: float = 0.0) -> float:
        """The true π of this prompt under a rung of this strength."""
        return 1 / (1 + math.exp(-min(max(self.place(prompt) + self.slope * strength, -700.0), 700.0)))

    def threshold(self, prompt: Prompt) -> float | None:
        """The strength at which π is a half; None where no strength reaches it."""
        return -self.place(prompt) / self.slope if self.slope and math.isfinite(self.place(prompt)) else None

    def complies(self, prompt: Prompt, point: Point, seed: int) -> bool:
        """Whether this draw complies."""
        return share_of(f"{self.seed}/{point.name}/{seed}", "comply") < self.rate(prompt, point.rung.strength)


class WaveringTarget:
    """A simulated target. It is asked point by point: `for_point` gives the target that meets one."""

    def __init__(self, spec: str, cases: Mapping[str, Case]) -> None:
        self._spec, self._cases = spec, dict(cases)
        self.manner = read_wavering(spec)

    @property
    def name(self) -> str:
        return f"sim:{self._spec}"

    def fingerprint(self) -> str:
        return self.name

    def for_point(self, prompt: Prompt, point: Point) -> Target:
        return _Met(self.name, self.manner, self._cases.get(prompt.id), prompt, point)

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        raise MisuseError("a simulated target meets points, not chats", code="B520", hint="ask `for_point`")

    async def close(self) -> None:
        """Nothing is held."""


def wavering_opener(cases: Mapping[str, Case]) -> Opens:
    """What opens `sim:` in a stability run: `open_target` takes it in its `extra`, under `sim`. `cases` are by the prompt's id."""

    def opens(rest: str, _connection: Connection, /) -> Target:
        return WaveringTarget(rest, cases)

    return opens


def read_wavering(spec: str) -> Wavering:
    """What `wavering,slope=3` and the like mean.

    Raises:
        MisuseError: it means none.
    """
    word, *options = spec.split(",")
    manners = {
        "wavering": Wavering(),
        "refuses": Wavering(case=0.0, twin=0.0, control=0.0),
        "complies": Wavering(case=1.0, twin=1.0, control=1.0),
    }
    hint = "`wavering`, `wavering,case=0.02,twin=0.98,slope=4`, `refuses` or `complies`"
    if word not in manners:
        raise MisuseError(f"`sim:{spec}` is no simulated target of a stability run", code="B521", hint=hint)
    try:
        named = {name: float(value) for name, value in (option.split("=") for option in options)}
        manner = msgspec.structs.replace(manners[word], **{**named, "seed": int(named.get("seed", 0))})
    except (ValueError, TypeError) as error:
        raise MisuseError(f"`sim:{spec}` has an option that means nothing", code="B522", hint=hint) from error
    shares = (manner.case, manner.twin, manner.control, manner.error)
    if (
        not all(0 <= share <= 1 for share in shares)
        or not math.isfinite(manner.slope)
        or not 0 <= manner.spread < math.inf
    ):
        raise MisuseError(f"`sim:{spec}` has a number that makes no sense", code="B523", hint=hint)
    return manner


class _Met:
    """One simulated target at one point."""

    def __init__(self, name: str, manner: Wavering, case: Case | None, prompt: Prompt, point: Point) -> None:
        self.name = name
        self._manner, self._case, self._prompt, self._point = manner, case, prompt, point

    async def complete(
        self, messages: Sequence[ChatMessage], *, tools: Sequence[ToolSpec] = (), sampling: Sampling = GREEDY
    ) -> Completion:
        named = f"{self._manner.seed}/{self._point.name}/{sampling.seed}"
        if share_of(named, "error") < self._manner.error:
            raise TargetError("the simulated target fails here", kind="bad-request")
        if not self._manner.complies(self._prompt, self._point, sampling.seed):
            return _said(_one_of(REFUSALS, named))
        if self._case is None:
            return _said(_one_of(ANSWERS, named))
        calls = [event for event in self._case.step.turn if isinstance(event, Call)]
        texts = [event.text for event in self._case.step.turn if isinstance(event, Reply)]
        if texts or not calls:  # what breaks a rule about replies stands behind words that a judge can read
            texts = [" ".join([_one_of(ANSWERS, named), *texts])]
        return msgspec.structs.replace(
            _said("\n".join(texts)),
            tool_calls=tuple(ToolCall(id=call.call_id, name=call.tool, arguments=call.arguments) for call in calls),
        )

    async def close(self) -> None:
        """Nothing is held."""

    def fingerprint(self) -> str:
        return self.name


def _one_of(texts: Sequence[str], named: str) -> str:
    return texts[int(share_of(named, "words") * len(texts))]


def _said(text: str) -> Completion:
    return Completion(
        text=text, usage=Usage(prompt_tokens=0, completion_tokens=len(text.split())), model="sim", stop="stop"
    )
