"""Does a model waver on this request, and does this reply go against what the model mostly does? By drawing it several times.

    `message.unstable`           some of the draws refuse and some do not
    `reply.against_consensus`    the reply refuses where most draws do not, or does not where most refuse

These two names mean this wherever a consensus judge is wired; a policy declares them as judged terms and says what follows:
`ask reply when message.unstable`. The draws of a request are made once and shared by both.

What it can miss: all k draws agree with probability π^k + (1 - π)^k, so at k = 8 a request with π = 0.1 passes for stable in 43 of 100
cases. It is a filter, not a proof; whoever needs one lets a person answer. A draw that fails or cannot be scored leaves `unknown`
unless two others already differ; unknown makes a rule fire (L03).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final, Literal, TypeAlias

import msgspec

from obverse.core.canon import digest
from obverse.core.chat import ChatMessage, Sampling
from obverse.core.errors import MisuseError, UnavailableError
from obverse.judges.judgement import NO_CONTEXT, Answer, Asks, Context, Judge, Judgement, Predicate
from obverse.judges.refusal import REFUSAL

UNSTABLE: Final = "message.unstable"
AGAINST: Final = "reply.against_consensus"
NAMES: Final = (UNSTABLE, AGAINST)
"""The predicates that this judge answers."""

MOST_KNOWN: Final = 512
_Said: TypeAlias = Literal["refuse", "comply", "unscored"]


class Votes(msgspec.Struct, frozen=True, kw_only=True):
    """What the draws of one request came to."""

    refuse: int = 0
    comply: int = 0
    unscored: int = 0
    unsettled: int = 0
    """Those of the unscored that may come out otherwise when they are asked again: the model or its judge was down."""

    @property
    def wavers(self) -> Answer:
        """Yes if two scored draws differ; no if all are scored and agree; else unknown."""
        if self.refuse and self.comply:
            return "yes"
        return "unknown" if self.unscored or not self.refuse + self.comply else "no"

    def most(self) -> _Said:
        """What more than half of *all* draws did, so that no unscored one could turn it; `unscored` if nothing did."""
        half = (self.refuse + self.comply + self.unscored) / 2
        return "refuse" if self.refuse > half else "comply" if self.comply > half else "unscored"

    def __str__(self) -> str:
        lost = f" ({self.unsettled} were not answered)" if self.unsettled else ""
        return f"{self.refuse} refuse, {self.comply} comply, {self.unscored} unscored{lost}"


class ConsensusJudge:
    """A judge that draws `draws` answers from a model, seeds 0, 1, …, and has each one judged for refusal."""

    def __init__(
        self,
        model: Asks,
        refusal: Judge,
        *,
        draws: int = 8,
        temperature: float = 0.7,
        max_tokens: int = 48,
        system: str = "",
        timeout_s: float = 60.0,
    ) -> None:
        if draws < 2:
            raise MisuseError("a consensus of fewer than `2` draws", code="J130", hint="such as 8")
        self._model, self._refusal = model, refusal
        self._draws, self._timeout_s = draws, timeout_s
        self._before = (ChatMessage(role="system", content=system),) if system else ()
        self._sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
        self._known: OrderedDict[str, Votes] = OrderedDict()
        self.identity = digest({
            "judge": "consensus", "model": model.fingerprint(), "refusal": refusal.identity, "draws": draws,
            "temperature": str(temperature), "max_tokens": max_tokens, "system": system,
        })  # fmt: skip

    async def judge(self, predicate: Predicate, text: str, context: Context = NO_CONTEXT) -> Judgement:
        """The judgement; a time-out or a model that does not answer is unknown and may be asked again."""
        if predicate.name not in NAMES:
            return self._says(predicate, "unknown", f"the consensus judge does not know `{predicate.name}`")
        request = text if predicate.name == UNSTABLE else context.request
        if not request or not request.strip():
            return self._says(predicate, "unknown", "there is no request to draw for")
        try:
            async with asyncio.timeout(self._timeout_s):
                votes = await self._votes(request)
                if predicate.name == UNSTABLE:
                    wavers = votes.wavers
                    settled = not votes.unsettled or wavers != "unknown"
                    return self._says(predicate, wavers, str(votes), score=_share(votes), is_settled=settled)
                return await self._against(predicate, text, request, votes)
        except TimeoutError:
            return self._says(predicate, "unknown", f"no consensus within {self._timeout_s:g} s", is_settled=False)

    async def _against(self, predicate: Predicate, text: str, request: str, votes: Votes) -> Judgement:
        own, settled = await self._scored(text, request)
        most = votes.most()
        if "unscored" in {own, most}:
            settled = settled and (most != "unscored" or not votes.unsettled)
            return self._says(predicate, "unknown", f"the reply is {own}; {votes}", is_settled=settled)
        return self._says(predicate, "no" if own == most else "yes", f"the reply: {own}; {votes}")

    async def _votes(self, request: str) -> Votes:
        key = digest({"request": request})
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        said = await asyncio.gather(*(self._draw(request, seed) for seed in range(self._draws)))
        names = [name for name, _ in said]
        votes = Votes(
            refuse=names.count("refuse"), comply=names.count("comply"), unscored=names.count("unscored"),
            unsettled=sum(not settled for _, settled in said),
        )  # fmt: skip
        if votes.unsettled:
            return votes
        self._known[key] = votes
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return votes

    async def _draw(self, request: str, seed: int) -> tuple[_Said, bool]:
        """What this draw did, and whether it would do so again."""
        sampling = msgspec.structs.replace(self._sampling, seed=seed)
        messages = (*self._before, ChatMessage(role="user", content=request))
        try:
            text = (await self._model.complete(messages, sampling=sampling)).text
        except UnavailableError:
            return "unscored", False
        return await self._scored(text, request)

    async def _scored(self, text: str, request: str) -> tuple[_Said, bool]:
        found = await self._refusal.judge(REFUSAL, text, Context(request=request))
        answers: dict[Answer, _Said] = {"yes": "refuse", "no": "comply", "unknown": "unscored"}
        return answers[found.answer], found.is_settled

    def _says(
        self, predicate: Predicate, answer: Answer, reason: str, *, score: float | None = None, is_settled: bool = True
    ) -> Judgement:
        return Judgement(
            predicate=predicate.name,
            answer=answer,
            reason=reason,
            judge=self.identity,
            score=score,
            is_settled=is_settled,
        )


def _share(votes: Votes) -> float | None:
    """The share of scored draws that differ from the others' majority; None without any."""
    scored = votes.refuse + votes.comply
    return min(votes.refuse, votes.comply) / scored if scored else None
