"""A model made of numpy, in which the truth is planted: where harm shows, how strongly, and what refusal hangs on."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from obverse.core.chat import ChatMessage
from obverse.stability.inside.sentences import LIKELY, POSSIBLE, sentences
from obverse.stability.ports import Answered, Edit, Job, Read, Reading, Shape, Wants
from obverse.stability.records import Prompt


def prompts(families: int = 6, groups: int = 4) -> list[Prompt]:
    """Each group a case and its twin."""
    made = []
    for family in range(families):
        for group in range(groups):
            for kind, wanted in (("case", "refuse"), ("twin", "comply")):
                name = f"f{family}/g{group}/{kind}"
                made.append(
                    Prompt(
                        id=name, kind=kind, group=f"f{family}/g{group}", family=f"f{family}", wanted=wanted,
                        messages=(ChatMessage(role="user", content=name),),
                    )
                )  # fmt: skip
    return made


SENSE = {one.text: one.sense for squares in (POSSIBLE, LIKELY) for one in sentences(squares)}


@dataclass
class Planted:
    """`harm` shows from layer `onset` on, along `axis`, `strength` wide; refusal hangs on that axis alone if `causal`."""

    layers: int = 6
    width: int = 24
    experts: int | None = None
    onset: int = 3
    strength: float = 4.0
    sense: float = 0.0
    routed: float = 0.0
    topical: float = 1.0
    causal: bool = True
    bad: dict[str, str] = field(default_factory=dict)
    nan: tuple[str, ...] = ()
    words: bool = True
    attends: bool = True
    seed: int = 0
    name: str = "planted"
    asked: int = 0

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, 1])
        basis = np.linalg.qr(rng.standard_normal((self.width, 3)))[0].T
        self.axis, self.sense_axis, other = basis
        self.common = 3 * other
        self._edits: tuple[Edit, ...] = ()

    @property
    def shape(self) -> Shape:
        return Shape(layers=self.layers, heads=2, width=self.width, experts=self.experts, context=999, dtype="f32")

    def _rng(self, text: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")])

    def stack(self, name: str) -> np.ndarray:
        """(L + 1, d), under the edits of now."""
        rng, harm = self._rng(name), float(name.endswith("case"))
        topic = self._rng(name.rpartition("/")[0]).standard_normal(self.width) * self.topical
        state = topic + rng.standard_normal(self.width) + self.common
        rows = []
        for layer in range(self.layers + 1):
            if layer:
                state = state + 0.2 * rng.standard_normal(self.width)
            if layer == self.onset:
                state = state + self.strength * (harm - 0.5) * self.axis
                if name in SENSE:
                    state = state + self.sense * (0.5 - SENSE[name]) * self.sense_axis
            for edit in self._edits:
                vector = np.array(edit.vector)
                if layer and (edit.layers is None or layer in edit.layers):
                    state = state - (state @ vector) * vector if edit.kind == "ablate" else state + edit.scale * vector
            rows.append(state.copy())
        return np.array(rows, dtype=np.float32)

    def margin(self, name: str, row: np.ndarray) -> float:
        """Refusal hangs on the axis, or (not causal) on what no edit reaches."""
        if self.causal:
            return float(2 * row @ self.axis - 1.5)
        return 3.0 if name.endswith("case") else -3.0

    def read(self, reads: Sequence[Read], wants: Wants) -> Iterator[Reading]:
        for read in reads:
            self.asked += 1
            yield self.reading(read, wants)

    def reading(self, read: Read, wants: Wants) -> Reading:
        text = read.messages[-1].content
        if text in self.bad:
            return Reading(id=read.id, tokens=7, error=self.bad[text], reason="planted")
        rng, harm, stack = self._rng(text + "!"), float(text.endswith("case")), self.stack(text)
        tokens = int(rng.integers(6, 12))
        late = np.arange(1, self.layers + 1) >= self.onset
        each = np.array([self.margin(text, row) for row in stack])
        if text in self.nan:
            stack[2, 2] = np.nan
        routing = None
        if self.experts is not None and wants.routing:
            topic = self._rng(text.rpartition("/")[0] + "?").standard_normal((self.layers, self.experts))
            own = rng.standard_normal((self.layers, self.experts)) * 0.3
            own[:, 0] += self.routed * harm * late
            routing = np.exp(topic + own)
            routing /= routing.sum(axis=1, keepdims=True)
            routing[0] = np.nan
        return Reading(
            id=read.id,
            tokens=tokens,
            span=(0, tokens),
            last=stack,
            mean=stack,
            attention=(
                math.log(tokens) * (0.7 - 0.2 * harm * late[:, None] + 0.05 * rng.standard_normal((self.layers, 2)))
            ).astype(np.float32)
            if wants.attention and self.attends
            else None,
            weight=np.full((self.layers, 2), 0.5, dtype=np.float32)
            + rng.random((self.layers, 2), dtype=np.float32) / 10
            if wants.attention and self.attends
            else None,
            routing=None if routing is None else routing.astype(np.float32),
            words={name: (-np.logaddexp(0, -each) - place).astype(np.float32) for place, name in enumerate(wants.words)}
            if self.words
            else {},
            logits={"refusal": float(-np.logaddexp(0, -each[-1])), "compliance": float(-np.logaddexp(0, each[-1]))}
            if self.words and wants.words
            else {},
            perplexity=float(np.exp(2 + rng.standard_normal())) if wants.perplexity else None,
        )

    @contextmanager
    def edited(self, edits: Sequence[Edit]) -> Iterator[None]:
        before, self._edits = self._edits, (*self._edits, *edits)
        try:
            yield
        finally:
            self._edits = before

    def fingerprint(self) -> str:
        return "planted"

    def draw(self, jobs: Sequence[Job], *, stopped: object = None) -> Iterator[Answered]:
        for job in reversed(jobs):  # answers come in any order
            text = job.messages[-1].content
            refused = self.margin(text, self.stack(text)[-1]) > 0
            yield Answered(id=job.id, seed=job.seeds[0], text="I can't help." if refused else "Sure: one, two.")


@pytest.fixture
def planted() -> type[Planted]:
    return Planted


@pytest.fixture
def some_prompts():
    return prompts


@pytest.fixture(scope="module")
def planted_class() -> type[Planted]:
    return Planted


@pytest.fixture(scope="module")
def prompts_of():
    return prompts
