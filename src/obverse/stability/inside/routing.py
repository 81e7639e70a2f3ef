"""Do experts work otherwise on harmful prompts than on benign ones *of the same topic*? Mixture-of-Experts models only.

    T_l = JS(mean routing of harmful prompts, mean routing of their benign partners)       in nats, at most ln 2

Routing follows topic (RASET, arXiv:2605.29708), so harmful prompts are only compared with benign ones of their own group, and the
null distribution comes from swapping the two within groups at random: exact whatever the topics are. A group is one unit,
however many prompts it holds. Families of tests: Benjamini and Hochberg (1995) over layers, and over layers × experts.

The mean of the pairs' own divergences is no statistic for this: a swap does not change it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from obverse.stability.findings import HeatMap, RoutingLine
from obverse.stability.inside.folds import Missing
from obverse.stability.inside.nested import Learn
from obverse.stability.inside.ranking import Doubles
from obverse.stability.records import Prompt

LEAST_GROUPS: Final = 6
"""With n groups no p-value is below 2 / 2^n: fewer than six could never reach 0.05."""
ENUMERATED: Final = 12
"""Up to so many groups all swaps are tried; beyond, `SWAPS` random ones."""
SWAPS: Final = 4999


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """Mean routing per group, (groups, layers, experts), of harmful prompts and of benign ones; `layers` are the routed layers, from 1."""

    groups: tuple[str, ...]
    harmful: Doubles
    benign: Doubles
    layers: tuple[int, ...]


class Routed(msgspec.Struct, frozen=True, kw_only=True):
    """A line a layer, and two maps expert × layer: harmful minus benign, and q."""

    lines: tuple[RoutingLine, ...]
    maps: tuple[HeatMap, ...]


def js(first: Doubles, second: Doubles) -> Doubles:
    """Jensen–Shannon divergence in nats over the last axis (Lin, 1991); between 0 and ln 2."""
    middle = (first + second) / 2
    value: Doubles = entropy(middle) - (entropy(first) + entropy(second)) / 2
    return np.maximum(value, 0.0)


def entropy(shares: Doubles) -> Doubles:
    """In nats over the last axis; 0 ln 0 is 0."""
    from scipy.special import entr

    total: Doubles = entr(shares).sum(axis=-1)
    return total


def topics(prompts: Sequence[Prompt]) -> list[str]:
    """Within what each prompt may be compared: its group, which a case shares with its twins. A plain control is of another topic, whatever
    group it stands in, and is compared with none.
    """
    return [f"{prompt.id}, a control" if prompt.kind == "control" else prompt.group for prompt in prompts]


def pairs(routing: Sequence[Doubles | None], groups: Sequence[str], labels: NDArray[np.int64]) -> Pairs | Missing:
    """The groups that hold both kinds, routing renormalised; layers without experts are left out."""
    held: dict[str, tuple[list[Doubles], list[Doubles]]] = defaultdict(lambda: ([], []))
    for row, group, label in zip(routing, groups, labels.tolist()):
        if row is not None and label >= 0:
            held[group][0 if label == 1 else 1].append(row)
    names = tuple(sorted(group for group, (harmful, benign) in held.items() if harmful and benign))
    if len(names) < LEAST_GROUPS:
        return Missing(
            reason=f"too few pairs: {len(names)} groups hold a harmful and a benign prompt, {LEAST_GROUPS} are needed"
        )
    harmful = np.stack([np.mean(held[name][0], axis=0, dtype=np.float64) for name in names])
    benign = np.stack([np.mean(held[name][1], axis=0, dtype=np.float64) for name in names])
    good = np.isfinite(harmful).all(axis=(0, 2)) & np.isfinite(benign).all(axis=(0, 2))
    if not good.any():
        return Missing(reason="no layer has routing for all pairs")
    harmful, benign = harmful[:, good], benign[:, good]
    return Pairs(
        groups=names,
        harmful=harmful / harmful.sum(axis=-1, keepdims=True),
        benign=benign / benign.sum(axis=-1, keepdims=True),
        layers=tuple(int(layer) + 1 for layer in np.flatnonzero(good)),
    )


def routed(found: Pairs, *, seed: int, swaps: int = SWAPS) -> Routed:
    """The divergence of each layer with its p by swaps within groups and its q; the same per expert as maps.

    `baseline` is the divergence between two random halves of the benign prompts (mean of 50 splits): other topics and half as many
    prompts, so it is usually larger than `null`, the mean over swaps, with which the divergence should be compared.
    """
    generator = np.random.Generator(np.random.PCG64([seed, 0x0E]))
    count = len(found.groups)
    gap = (found.harmful - found.benign) / (2 * count)
    middle = (found.harmful.mean(axis=0) + found.benign.mean(axis=0)) / 2
    signs = _signs(count, swaps, generator)
    above = np.zeros(gap.shape[1])
    wider = np.zeros(gap.shape[1:])
    total = np.zeros(gap.shape[1])
    shift = gap.sum(axis=0)
    value = js(middle + shift, middle - shift)
    for part in np.array_split(signs, max(1, signs.size * gap[0].size // 4_000_000)):
        # The two means stay as far from their middle, which no swap moves: one product gives all of them.
        moved = np.tensordot(part, gap, axes=1)
        swapped = js(middle + moved, middle - moved)
        above += (swapped >= value - 1e-12).sum(axis=0)
        wider += (np.abs(moved) >= np.abs(shift) - 1e-15).sum(axis=0)
        total += swapped.sum(axis=0)
    p, each = above / len(signs), wider / len(signs)
    q, each_q = adjusted(p), adjusted(each.ravel()).reshape(each.shape)
    baseline = _halves(found.benign, generator)
    lines = tuple(
        RoutingLine(
            layer=layer, divergence=float(value[row]), baseline=float(baseline[row]), p=float(p[row]), q=float(q[row]),
            pairs=count, null=float(total[row] / len(signs)),
        )
        for row, layer in enumerate(found.layers)
    )  # fmt: skip
    return Routed(
        lines=lines,
        maps=(
            _map("routing: harmful minus benign", "share of routing", 2 * shift, found.layers),
            _map("routing: q per expert", "Benjamini–Hochberg q", each_q, found.layers),
        ),
    )


def likeness(shares: Doubles, labels: NDArray[np.int64], groups: Sequence[str]) -> Learn:
    """How much more each prompt's routing (n, layers, experts) is like harmful ones' than like benign ones', in nats: JS to the benign mean
    minus JS to the harmful mean. The means are learnt from training prompts whose group has both kinds there, or from all if none has.
    """
    names = np.unique(np.asarray(groups), return_inverse=True)[1]

    def learn(train: NDArray[np.bool_]) -> Doubles:
        kinds = [np.bincount(names[train & (labels == label)], minlength=names.max() + 1) > 0 for label in (0, 1)]
        paired = train & (kinds[0] & kinds[1])[names]
        use = paired if (paired & (labels == 1)).any() else train
        benign, harmful = (shares[use & (labels == label)].mean(axis=0) for label in (0, 1))
        return (js(shares, benign) - js(shares, harmful))[:, :, None]

    return learn


def adjusted(p: Doubles) -> Doubles:
    """The q of each p: the smallest false discovery rate of Benjamini and Hochberg at which it is still rejected."""
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(scaled)
    q[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return q


def _signs(count: int, swaps: int, generator: np.random.Generator) -> Doubles:
    """Rows of ±1, the first all +1: every one for few groups, else random ones. The data itself counts, so that p is never 0."""
    if count <= ENUMERATED:
        rows = [
            [-1.0 if place in down else 1.0 for place in range(count)]
            for size in range(count + 1)
            for down in map(set, combinations(range(count), size))
        ]
        return np.array(rows)
    drawn = generator.integers(0, 2, size=(swaps, count)) * 2.0 - 1.0
    return np.vstack([np.ones((1, count)), drawn])


def _halves(benign: Doubles, generator: np.random.Generator, splits: int = 50) -> Doubles:
    total = np.zeros(benign.shape[1])
    for _ in range(splits):
        order = generator.permutation(len(benign))
        half = len(benign) // 2
        total += js(benign[order[:half]].mean(axis=0), benign[order[half:]].mean(axis=0))
    mean: Doubles = total / splits
    return mean


def _map(name: str, unit: str, values: Doubles, layers: tuple[int, ...]) -> HeatMap:
    """Rows are experts here, columns layers."""
    return HeatMap(
        name=name,
        unit=unit,
        rows=tuple(f"expert {expert}" for expert in range(values.shape[1])),
        columns=tuple(str(layer) for layer in layers),
        values=tuple(tuple(float(f"{value:.6g}") for value in row) for row in values.T),
    )
