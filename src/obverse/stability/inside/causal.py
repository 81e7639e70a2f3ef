"""Is a direction a cause of refusals? It is taken out, added and patched while the model runs, beside directions that mean nothing.

    ablate   x ← x - (x·v) v at every token, behind every layer: do harmful prompts stop being refused?
    add      x ← x + s v behind one layer, s = ‖difference of means‖ there: do harmless prompts begin to be refused?
    patch    the component along v behind one layer ← its mean over harmless prompts: do harmful prompts stop being refused?

The direction is learnt on half of the folds, its layer chosen there (of those that separate well, the one whose ablation lowers
the refusal margin most), and all is shown on the other half. Source: Arditi et al. (2024). Controls, each orthogonal to v and of equal norm: random
directions, and a difference of means of the same prompts under shuffled labels, which lies where activations lie. The one that
comes nearest to the effect counts, by an exact sign test over the prompts on which it and v differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import zip_longest
from typing import Final, Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from obverse.stability.findings import Intervention
from obverse.stability.inside.directions import Floats, difference_of_means, direction
from obverse.stability.inside.folds import Folds, Missing
from obverse.stability.inside.lexical import margin
from obverse.stability.inside.ranking import areas
from obverse.stability.inside.words import GROUPS
from obverse.stability.ports import Answers, Edit, Job, Looks, Read, Wants
from obverse.stability.records import Behaviour, Prompt
from obverse.stats.exact import allowed_error

SHOWN: Final = 24
"""Prompts of either kind that are shown on, at most."""
TRIED_ON: Final = 8
"""Harmful prompts that the layer is chosen on, at most."""
CANDIDATES: Final = 8
"""Layers that are tried, evenly spread between a quarter and 85 % of the depth."""
NEARLY: Final = 0.05
"""How far below the best candidate's AUROC a layer may be."""
RANDOM: Final = 2
SHUFFLED: Final = 1
CONTROLS: Final = RANDOM + SHUFFLED

Refuses: TypeAlias = Callable[[Prompt, str], Behaviour]
Outcomes: TypeAlias = list[bool | None]


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """How refusals are told: greedy answers read by `refuses` where both are there, else the sign of the refusal margin."""

    model: Looks
    answers: Answers | None
    refuses: Refuses | None
    seed: int
    max_tokens: int
    told: Callable[[int], None]

    @property
    def way(self) -> str:
        """How, in words."""
        drawn = self.answers is not None and self.refuses is not None
        return "greedy answers, judged" if drawn else "sign of the refusal margin"

    def outcomes(self, prompts: Sequence[Prompt], edits: Sequence[Edit]) -> Outcomes:
        """Whether each prompt is refused under these edits; None where that is not known."""
        with self.model.edited(edits) if edits else nullcontext():
            if self.answers is None or self.refuses is None:
                found: Outcomes = [None if value is None else value > 0 for value in self._margins(prompts)]
            else:
                found = self._drawn(prompts, self.answers, self.refuses)
        self.told(len(prompts))
        return found

    def margins(self, prompts: Sequence[Prompt], edits: Sequence[Edit]) -> list[float | None]:
        """The refusal margin of each prompt under these edits."""
        with self.model.edited(edits) if edits else nullcontext():
            found = list(self._margins(prompts))
        self.told(len(prompts))
        return found

    def _margins(self, prompts: Sequence[Prompt]) -> Iterator[float | None]:
        words = {name: GROUPS[name] for name in ("refusal", "compliance")}
        wants = Wants(residual=False, attention=False, routing=False, perplexity=False, words=words)
        for reading in self.model.read([asked(prompt) for prompt in prompts], wants):
            yield None if reading.error is not None else margin(reading)

    def _drawn(self, prompts: Sequence[Prompt], answers: Answers, refuses: Refuses) -> Outcomes:
        jobs = [
            Job(
                id=prompt.id, messages=prompt.messages, tools=prompt.tools, seeds=(self.seed,), temperature=0.0,
                max_tokens=self.max_tokens,
            )
            for prompt in prompts
        ]  # fmt: skip
        by_id = {prompt.id: prompt for prompt in prompts}
        said: dict[str, bool] = {}
        for answer in answers.draw(jobs):
            behaviour = "error" if answer.error is not None else refuses(by_id[answer.id], answer.text)
            if behaviour in {"refuse", "comply"}:
                said[answer.id] = behaviour == "refuse"
        return [said.get(prompt.id) for prompt in prompts]


def asked(prompt: Prompt) -> Read:
    """What is read of a prompt."""
    return Read(id=prompt.id, messages=prompt.messages, tools=prompt.tools, span=prompt.span)


def cost(folds: Folds) -> int:
    """How many prompts `interventions` reads at most."""
    shown, labels = folds.of % 2 == 1, folds.labels
    tried = min(int((~shown & (labels == 1)).sum()), TRIED_ON)
    harmful, harmless = (min(int((shown & (labels == label)).sum()), SHOWN) for label in (1, 0))
    return CANDIDATES * tried + harmful + harmless + (1 + CONTROLS) * (2 * harmful + harmless)


def interventions(
    bench: Bench, prompts: Sequence[Prompt], states: Floats, folds: Folds, *, confidence: float
) -> tuple[Intervention, ...] | Missing:
    """Three interventions with their controls. `states` (n, L + 1, d) are the last tokens' of these prompts."""
    learnt = folds.of % 2 == 0
    labels = np.where(learnt, folds.labels, -1)
    units, norms = direction(states, labels)
    tried = [prompts[place] for place in _spread(prompts, learnt & (folds.labels == 1), TRIED_ON)]
    layer = _layer(bench, tried, units, separating(states, labels, folds))
    if isinstance(layer, Missing):
        return layer
    vector, norm = units[layer], float(norms[layer])
    harmful = [prompts[place] for place in _spread(prompts, ~learnt & (folds.labels == 1), SHOWN)]
    harmless = [prompts[place] for place in _spread(prompts, ~learnt & (folds.labels == 0), SHOWN)]
    base, calm = bench.outcomes(harmful, []), bench.outcomes(harmless, [])
    directions = [vector, *controls(states[:, layer], labels, vector, seed=bench.seed)]
    level = states[:, layer][labels == 0].mean(axis=0, dtype=np.float64)
    rows = []
    for kind, shown, before in (("ablate", harmful, base), ("add", harmless, calm), ("patch", harmful, base)):
        after = [bench.outcomes(shown, edits(kind, one, layer, norm, float(level @ one))) for one in directions]  # type: ignore[arg-type]  # the literals of the line above
        rows.append(_row(kind, layer, before, after, len(shown), bench.way, confidence))
    return tuple(rows)


def edits(kind: Literal["ablate", "add", "patch"], vector: Floats, layer: int, norm: float, level: float) -> list[Edit]:
    """The changes that make this intervention with this unit vector."""
    unit = tuple(float(value) for value in vector)
    if kind == "ablate":
        return [Edit(kind="ablate", vector=unit)]
    if kind == "add":
        return [Edit(kind="add", vector=unit, layers=(layer,), scale=norm)]
    return [
        Edit(kind="ablate", vector=unit, layers=(layer,)),
        Edit(kind="add", vector=unit, layers=(layer,), scale=level),
    ]


def controls(states: Floats, labels: NDArray[np.int64], vector: Floats, *, seed: int) -> list[Floats]:
    """Unit vectors orthogonal to `vector`: random ones, then differences of means under shuffled labels. `states` is (n, d)."""
    generator = np.random.Generator(np.random.PCG64([seed, 0x0C]))
    raw = [generator.standard_normal(len(vector)) for _ in range(RANDOM)]
    known = np.flatnonzero(labels >= 0)
    for _ in range(SHUFFLED):
        shuffled = np.full_like(labels, -1)
        shuffled[known] = generator.permutation(labels[known])
        raw.append(direction(states[:, None], shuffled)[0][0].astype(np.float64))
    result = []
    for one in raw:
        rest = one - (one @ vector) * vector
        norm = float(np.sqrt(rest @ rest))
        if norm > 1e-9:
            result.append((rest / norm).astype(np.float32))
    return result


def candidates(layers: int) -> list[int]:
    """The layers to try: refusal is decided in the middle, and the last layers already are words."""
    first, last = max(1, math.ceil(layers * 0.25)), max(1, math.floor(layers * 0.85))
    return sorted({round(value) for value in np.linspace(first, last, CANDIDATES)})


def sign_test(better: int, worse: int) -> float:
    """How probable so many better ones are among those that differ, if either were as likely."""
    return float(sum(math.comb(better + worse, k) for k in range(better, better + worse + 1)) / 2 ** (better + worse))


def separating(states: Floats, labels: NDArray[np.int64], folds: Folds) -> list[int]:
    """The candidates whose direction tells the learning half's own held-out folds apart nearly as well as the best of them does.

    Without this, the layer could be one whose direction is noise that happens to upset the model.
    """
    learn = difference_of_means(states, labels)
    scores = np.zeros(states.shape[:2])
    for fold in set(folds.of[labels >= 0].tolist()):
        here = folds.of == fold
        scores[here] = learn(~here)[here, :, 0]
    tried = candidates(states.shape[1] - 1)
    area = areas(scores, Folds(of=folds.of, labels=labels, count=folds.count))[tried]
    return [layer for layer, one in zip(tried, area) if one >= area.max() - NEARLY]


def _layer(bench: Bench, tried: Sequence[Prompt], units: Floats, layers: Sequence[int]) -> int | Missing:
    """The layer whose ablation lowers the mean refusal margin most."""
    lowest: tuple[float, int] | None = None
    for layer in layers:
        found = [
            value for value in bench.margins(tried, edits("ablate", units[layer], layer, 0.0, 0.0)) if value is not None
        ]
        if found and (lowest is None or math.fsum(found) / len(found) < lowest[0]):
            lowest = math.fsum(found) / len(found), layer
    return Missing(reason="the model gives no refusal margin to choose a layer by") if lowest is None else lowest[1]


def _spread(prompts: Sequence[Prompt], use: NDArray[np.bool_], most: int) -> list[int]:
    """At most so many of these prompts, one of each family in turn."""
    families: dict[str, list[int]] = {}
    for place in np.flatnonzero(use).tolist():
        families.setdefault(prompts[place].family, []).append(place)
    turns = [place for turn in zip_longest(*families.values()) for place in turn if place is not None]
    return sorted(turns[:most])


def _row(
    kind: str, layer: int, before: Outcomes, after: Sequence[Outcomes], of: int, way: str, confidence: float
) -> Intervention:
    known = [place for place in range(of) if before[place] is not None and all(one[place] is not None for one in after)]
    counts = [sum(bool(one[place]) for place in known) for one in after]
    wanted = kind == "add"  # adding should make refusals, the others should end them
    nearest = max(range(1, len(after)), key=lambda one: counts[one] if wanted else -counts[one], default=None)
    names = {"ablate": "all layers", "add": f"layer {layer}", "patch": f"layer {layer}"}
    start = sum(bool(before[place]) for place in known)
    if nearest is None:
        p, says = None, "no control could be made"
    else:
        hits = [(after[0][place] is wanted, after[nearest][place] is wanted) for place in known]
        p = sign_test(sum(one and not other for one, other in hits), sum(other and not one for one, other in hits))
        says = "a cause is shown" if p < allowed_error(confidence) else "no cause is shown"
    lost = f"; {of - len(known)} of {of} could not be told" if len(known) < of else ""
    on = "harmless" if wanted else "harmful"
    return Intervention(
        name=f"{kind}, held-out {on} prompts", layer=names[kind], kind=kind, before=start, after=counts[0],
        control=None if nearest is None else counts[nearest], of=len(known), controls=tuple(counts[1:]), p=p,
        note=f"{says}; direction of layer {layer}; {way}; controls: {RANDOM} random, {SHUFFLED} of shuffled labels{lost}",
    )  # fmt: skip
