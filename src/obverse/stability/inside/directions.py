"""The direction that tells two kinds of prompts apart: the difference of their mean activations, per layer.

    w_l = mean{h_l : harmful} - mean{h_l : harmless},   score = h_l · w_l / ‖w_l‖

Source: Arditi et al., Refusal in Language Models Is Mediated by a Single Direction (2024); Marks and Tegmark, The Geometry of Truth
(2023). Closed form: nothing is tuned but the layer (`nested`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from obverse.stability.inside.folds import UNKNOWN
from obverse.stability.inside.nested import Learn
from obverse.stability.inside.ranking import Doubles

Floats = NDArray[np.float32]


def direction(states: Floats, labels: NDArray[np.int64]) -> tuple[Floats, Doubles]:
    """The unit directions (layers, d) of these states (n, layers, d), and their norms (layers,); a zero difference stays zero."""
    # One layer at a time, as a product with weights: the states are the one large array, and are not copied.
    weigh = (labels == 1) / (labels == 1).sum() - (labels == 0) / (labels == 0).sum()
    gap = np.stack([weigh @ states[:, layer].astype(np.float64) for layer in range(states.shape[1])])
    norm = np.sqrt((gap**2).sum(axis=1))
    unit = gap / np.where(norm > 0, norm, 1.0)[:, None]
    return unit.astype(np.float32), norm


def projected(states: Floats, unit: Floats) -> Doubles:
    """The component of each state along its layer's direction: (n, layers)."""
    return np.stack([states[:, layer] @ unit[layer] for layer in range(states.shape[1])], axis=1).astype(np.float64)


def difference_of_means(states: Floats, labels: NDArray[np.int64]) -> Learn:
    """Learns the direction of each layer from the labelled prompts of the training folds, and projects all prompts on it.

    `labels` may leave out (`UNKNOWN`) prompts that are held out like all others but should not be learnt from.
    """

    def learn(train: NDArray[np.bool_]) -> Doubles:
        unit, _ = direction(states, np.where(train, labels, UNKNOWN))
        return projected(states, unit)[:, :, None]

    return learn
