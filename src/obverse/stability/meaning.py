"""How many things the answers of one prompt say: clusters of meaning and their entropy, beside the mean distance of embeddings.

The two are not the same and must not go under one name: semantic entropy (Farquhar et al., Nature 630, 2024) is the entropy
of a distribution over meanings; the mean pairwise cosine distance of embeddings, which some call so, is a length. Meanings are
told apart by the distance of sentence embeddings, or by any judge of entailment that the caller has; each has its errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from obverse.core.errors import MisuseError, UnavailableError
from obverse.stability.findings import Estimate
from obverse.stability.ports import Embeds
from obverse.stability.records import Settings
from obverse.stats import betting
from obverse.stats.exact import allowed_error

Entails = Callable[[str, str], bool]
"""Whether whoever says the first says the second."""

NEAR: Final = 0.35
"""Two answers mean the same if their embeddings are no farther apart than this (cosine distance)."""

_Floats = NDArray[np.float64]


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """Clusters of meaning among answers, their entropy in nats, and the mean cosine distance of pairs; or why there are none."""

    clusters: int | None
    semantic: Estimate | None
    distance: Estimate | None
    missing: dict[str, str] = {}


def meaning(
    texts: Sequence[str],
    settings: Settings,
    *,
    embeds: Embeds | None,
    entails: Entails | None = None,
    near: float = NEAR,
) -> Meaning:
    """What these answers of one prompt, in the order of their draws, say in how many ways.

    With `entails` two answers mean the same if each entails the other, else if their embeddings are `near`. An empty
    answer is an answer like others.

    Raises:
        MisuseError: for a `near` that is no cosine distance.
        UnavailableError: for embeddings that are not one finite unit vector a text.
    """
    if not 0 <= near <= 2:
        raise MisuseError(f"`{near}` is no cosine distance", code="B105")
    if len(texts) < 2:
        why = f"needs two answers, there are {len(texts)}"
        return Meaning(clusters=None, semantic=None, distance=None, missing=_all(why))
    far = distances(texts, embeds) if embeds is not None else None
    if entails is not None:
        same, how = _entailed(texts, entails), "bidirectional entailment"
        groups = linked(1 - same.astype(np.float64), 0.5)
    elif far is not None:
        same, how = far <= near, f"embeddings within {near:g}"
        groups = linked(far, near)
    else:
        return Meaning(clusters=None, semantic=None, distance=None, missing=_all("no encoder"))
    return Meaning(
        clusters=max(groups) + 1,
        semantic=_entropy(groups, same, settings, how),
        distance=_mean_distance(far, settings) if far is not None else None,
        missing={} if far is not None else {"distance": "no encoder"},
    )


def distances(texts: Sequence[str], embeds: Embeds) -> _Floats:
    """Cosine distances of every pair, in [0, 2]; shape (texts, texts), 0 on the diagonal.

    Equal texts are at distance 0 whatever the encoder; each is embedded once.
    """
    different = sorted(set(texts))
    vectors = np.asarray(embeds.embed(different), dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) != len(different) or not np.isfinite(vectors).all():
        raise UnavailableError(
            f"`{embeds.identity}` gave an array of shape {vectors.shape} for {len(different)} texts, or other than finite numbers",
            code="B106", hint="an encoder gives one finite unit vector a text",
        )  # fmt: skip
    lengths = np.linalg.norm(vectors, axis=1)
    if (lengths < 0.5).any():
        raise UnavailableError(f"`{embeds.identity}` gave a vector without a direction", code="B107")
    vectors /= lengths[:, None]
    far = np.clip(1 - vectors @ vectors.T, 0.0, 2.0)
    np.fill_diagonal(far, 0.0)
    place = {text: row for row, text in enumerate(different)}
    rows = [place[text] for text in texts]
    chosen: _Floats = far[np.ix_(rows, rows)]
    return chosen


def linked(far: _Floats, near: float) -> list[int]:
    """The cluster of each, numbered by first member: complete linkage, so that all within a cluster are `near` each other.

    The closest two clusters are joined while their farthest members are near; of equally close ones those with the
    earliest members.
    """
    clusters = [[member] for member in range(len(far))]
    between = far.astype(np.float64).copy()
    np.fill_diagonal(between, np.inf)
    alive = np.ones(len(far), dtype=bool)
    while alive.sum() > 1:
        masked = np.where(alive[:, None] & alive[None, :], between, np.inf)
        one, other = divmod(int(masked.argmin()), len(far))
        if masked[one, other] > near:
            break
        clusters[one] += clusters[other]
        alive[other] = False
        between[one] = between[:, one] = np.maximum(between[one], between[other])
        between[one, one] = np.inf
    found = [0] * len(far)
    for number, cluster in enumerate(sorted(clusters[i] for i in np.flatnonzero(alive))):
        for member in cluster:
            found[member] = number
    return found


def entropy_of(sizes: Sequence[int]) -> float:
    """The entropy in nats of a distribution that gave these numbers: Σ (n_i / n) Σ_{j = n_i}^{n - 1} 1/j.

    Its bias is -Σ_{j ≥ n} Σ_i p_i (1 - p_i)^j / j: always too low, and next to nothing unless meanings are rarer than one in n
    (Zhang, Neural Computation 24, 2012; Chao, Wang and Jost, Methods Ecol. Evol. 4, 2013). At most ln n.
    """
    n = sum(sizes)
    seen = math.fsum(size / n * math.fsum(1 / j for j in range(size, n)) for size in sizes if size)
    return min(seen, math.log(n)) if n else 0.0


def _entropy(groups: Sequence[int], same: NDArray[np.bool_], settings: Settings, how: str) -> Estimate:
    """Shannon's entropy is at least -ln of the probability that two draws mean the same, which disjoint pairs bound.

    From above nothing bounds it without a bound on the number of meanings: what was never seen may be many things.
    """
    n = len(groups)
    agree = [bool(same[i, i + 1]) for i in range(0, n - 1, 2)]
    at_most = betting.upper_bound(trials=len(agree), broken=sum(agree), error=allowed_error(settings.confidence))
    sizes = [groups.count(group) for group in range(max(groups) + 1)]
    return Estimate(
        estimate=entropy_of(sizes), low=max(0.0, -math.log(at_most)), high=None, n=n,
        method=f"{how}; Zhang's estimator; anytime lower bound on disjoint pairs",
        note="no upper bound: meanings that were not seen may be many",
    )  # fmt: skip


def _mean_distance(far: _Floats, settings: Settings) -> Estimate:
    """The U-statistic over all pairs; its interval from disjoint pairs, which are independent, whenever one stops."""
    n = len(far)
    halves = [float(far[i, i + 1]) / 2 for i in range(0, n - 1, 2)]
    error = allowed_error(settings.confidence) / 2
    seen = float(far[np.triu_indices(n, 1)].mean())
    low, high = 2 * betting.mean_lower_bound(halves, error=error), 2 * betting.mean_upper_bound(halves, error=error)
    return Estimate(estimate=seen, low=low, high=high, n=n, method="mean of pairs; anytime interval on disjoint pairs")


def _entailed(texts: Sequence[str], entails: Entails) -> NDArray[np.bool_]:
    """Whether each of two entails the other; asked once for each ordered pair of different texts."""
    different = sorted(set(texts))
    said = {(one, other): entails(one, other) for one in different for other in different if one != other}
    return np.array(
        [[one == other or (said[one, other] and said[other, one]) for other in texts] for one in texts], dtype=bool
    )


def _all(why: str) -> dict[str, str]:
    return dict.fromkeys(("clusters", "semantic", "distance"), why)
