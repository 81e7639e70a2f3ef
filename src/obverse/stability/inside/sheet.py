"""What has been found so far about one set of prompts: each signal adds its curve, its map, its detector, or why it is missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from obverse.stability.findings import DetectorLine, HeatMap, LayerCurve, Zone
from obverse.stability.inside.directions import Floats, difference_of_means
from obverse.stability.inside.folds import LEAST_EACH, UNKNOWN, Folds, Missing, folds
from obverse.stability.inside.nested import Nested, curve, detector, nested, signed
from obverse.stability.inside.probes import probe
from obverse.stability.inside.ranking import Doubles
from obverse.stability.inside.routing import likeness, topics
from obverse.stability.records import Prompt, Settings

KINDS = ("harmful", "harmless")


class Sheet:
    """Filled in place; `stand` comes first. Every method that takes a signal gives its value for each prompt, NaN where it has none."""

    def __init__(self, *, settings: Settings) -> None:
        self.settings = settings
        self.curves: list[LayerCurve] = []
        self.maps: list[HeatMap] = []
        self.detectors: list[DetectorLine] = []
        self.missing: dict[str, str] = {}
        self.notes: list[str] = []
        self.folds: Folds | None = None
        self._why = "nothing was read"
        self._prompts: tuple[Prompt, ...] = ()

    def stand(self, prompts: Sequence[Prompt], labels: NDArray[np.int64]) -> None:
        """Fixes the prompts, and who is held out together."""
        self._prompts = tuple(prompts)
        found = folds([prompt.family for prompt in prompts], labels, what=KINDS)
        if isinstance(found, Missing):
            self._why = found.reason
        else:
            self.folds = found

    def direction(self, states: Floats, learn: NDArray[np.int64], *, note: str) -> Doubles:
        """The difference of means, learnt from the prompts that `learn` labels."""
        if self.folds is None:
            return self._none("projection", self._why)
        found = nested(difference_of_means(states, learn), self.folds)
        return self._kept("refusal direction", found, self.folds, range(states.shape[1]), note=note)

    def probe(self, states: Floats, learn: NDArray[np.int64], *, note: str) -> Doubles:
        """The linear probe, likewise."""
        if self.folds is None:
            return self._none("probe", self._why)
        found = nested(probe(states, learn), self.folds)
        return self._kept("probe", found, self.folds, range(states.shape[1]), note=note)

    def routing(self, shares: Doubles, layers: Sequence[int]) -> Doubles:
        """Likeness to the routing of harmful prompts; `shares` is (n, layers, experts), NaN for prompts without."""
        flat = shares.reshape(len(shares), -1)
        known = self._known("routing", flat)
        if known is None:
            return np.full(len(self._prompts), np.nan)
        by, filled = known
        found = nested(likeness(filled.reshape(shares.shape), by.labels, topics(self._prompts)), by)
        values = self._kept("routing likeness", found, by, layers, note="learnt from pairs of the same group")
        return np.where(np.isfinite(flat).all(axis=1), values, np.nan)

    def behaviour(self, states: Floats, margins: Doubles, labels: NDArray[np.int64]) -> None:
        """What tells prompts that are refused from prompts that are complied with, whatever is wanted of them: the difference of their
        means, and the refusal margin, which measures this and not harm.
        """
        name = "refused against complied"
        by = folds([prompt.family for prompt in self._prompts], labels, what=("refused", "complied"))
        if isinstance(by, Missing):
            self.missing[name] = by.reason
            return
        found = nested(difference_of_means(states, labels), by)
        self.curves.append(curve(name, found.shown, by, found, confidence=self.settings.confidence))
        good = np.isfinite(margins)
        margin = folds(
            [prompt.family for prompt in self._prompts], np.where(good, labels, UNKNOWN), what=("refused", "complied")
        )
        if isinstance(margin, Missing):
            self.missing[f"refusal margin: {name}"] = margin.reason
            return
        lone = nested(signed(np.where(good, margins, 0.0)[:, None], margin), margin)
        self.detectors.append(detector(f"refusal margin: {name}", lone, margin, confidence=self.settings.confidence))

    def signal(self, name: str, field: str, values: Doubles | None, *, first: int = 0, unit: str = "") -> Doubles:
        """A signal (n, layers) that is read and not learnt; `first` is the number of its first layer. With a `unit` it gets map and detector."""
        absent = np.full(len(self._prompts), np.nan)
        some = None if values is None else np.isfinite(values).any(axis=1)
        if values is None or some is None or not some.any():
            self._known(field, None)
            return absent
        keep = np.flatnonzero(np.isfinite(values[some]).all(axis=0))
        if len(keep) < values.shape[1]:
            lacking = f"{values.shape[1] - len(keep)} of {values.shape[1]} layers do not give it for every prompt"
            self.notes.append(f"{name}: {lacking}")
            if not len(keep):
                self.missing[field] = lacking
                return absent
        numbers = [int(layer) + first for layer in keep]
        known = self._known(field, values[:, keep])
        if known is None:
            return absent
        by, filled = known
        found = nested(signed(filled, by), by)
        confidence, note = self.settings.confidence, "no sign is learnt in the lines"
        self.curves.append(curve(name, filled, by, found, confidence=confidence, numbers=numbers, note=note))
        if unit:
            self.maps.append(self._map(name, unit, values, range(first, first + values.shape[1])))
            self.detectors.append(detector(name, found, by, confidence=confidence))
        return np.where(some, found.chosen, np.nan)

    def number(self, name: str, field: str, values: Doubles) -> None:
        """A signal that is one number a prompt, as a detector."""
        # Without folds the number is still there, and only what it is worth as a detector is not known.
        there = self.folds is None and bool(np.isfinite(values).any())
        known = self._known(f"{name} as a detector" if there else field, values[:, None])
        if known is not None:
            by, filled = known
            self.detectors.append(
                detector(name, nested(signed(filled, by), by), by, confidence=self.settings.confidence)
            )

    def _known(self, field: str, values: Doubles | None) -> tuple[Folds, Doubles] | None:
        """The folds of the prompts that have the signal, and its values with 0 in the rows that are not counted."""
        if self.folds is None or values is None:
            self.missing[field] = self._why if self.folds is None else "the model does not give it"
            return None
        good: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=1))
        if good.all():
            return self.folds, values
        if not good.any():
            self.missing[field] = "the model does not give it"
            return None
        labels = np.where(good, self.folds.labels, UNKNOWN)
        by = folds([prompt.family for prompt in self._prompts], labels, what=KINDS)
        if isinstance(by, Missing):
            self.missing[field] = f"{int((~good).sum())} of {len(good)} prompts do not have it; {by.reason}"
            return None
        self.notes.append(f"{field}: {int((~good).sum())} of {len(good)} prompts do not have it")
        return by, np.where(good[:, None], values, 0.0)

    def _kept(self, name: str, found: Nested, by: Folds, layers: Sequence[int], *, note: str) -> Doubles:
        confidence = self.settings.confidence
        self.curves.append(curve(name, found.shown, by, found, confidence=confidence, numbers=layers, note=note))
        self.detectors.append(detector(name, found, by, confidence=confidence))
        self.maps.append(self._map(name, "standard deviations above harmless prompts", found.shown, layers))
        return found.chosen

    def _none(self, field: str, why: str) -> Doubles:
        self.missing[field] = why
        return np.full(len(self._prompts), np.nan)

    def _map(self, name: str, unit: str, values: Doubles, layers: Sequence[int]) -> HeatMap:
        return HeatMap(
            name=name,
            unit=unit,
            rows=tuple(prompt.id for prompt in self._prompts),
            columns=tuple(map(str, layers)),
            values=tuple(
                tuple(float(f"{value:.5g}") if np.isfinite(value) else None for value in row) for row in values.tolist()
            ),
        )


def learnable(
    labels: NDArray[np.int64], zones: Sequence[Zone | None], by: Folds | None
) -> tuple[NDArray[np.int64], str]:
    """The labels to learn from: harmful prompts that are not complied with, harmless ones that are not refused; and a note.

    Prompts in the unstable zone are shown and not learnt from. If that leaves too few of a kind without any two folds, all are learnt from.
    """
    pure = labels.copy()
    for place, zone in enumerate(zones):
        wrong = ("comply", "unstable") if labels[place] == 1 else ("refuse", "unstable")
        if zone in wrong:
            pure[place] = UNKNOWN
    left, all_ = int((pure >= 0).sum()), int((labels >= 0).sum())
    if left == all_ or by is None:
        return labels, "learnt from all prompts"
    for first in range(by.count):
        for second in range(first, by.count):
            train = (by.of != first) & (by.of != second)
            if min(int((pure[train] == label).sum()) for label in (0, 1)) < LEAST_EACH // 2:
                return labels, "learnt from all prompts: too few behave as is wanted of them"
    return pure, f"learnt from the {left} of {all_} prompts that are not known to behave otherwise than wanted"
