"""How far an exported file is from the network it was made of, on real inputs."""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from amd_mm.deploy.subject import ENCODER


class Parity(NamedTuple):
    """Two sets of outputs compared.

    Attributes:
        largest, mean: Difference, as a fraction of the largest wanted output.
        equal: Share of equal decisions.
        decisions: What these are, and of how many.
    """

    largest: float
    mean: float
    equal: float
    decisions: str

    def __str__(self) -> str:
        return (f'largest difference {self.largest:.1e}, mean {self.mean:.1e} of the largest '
                f'output; equal decisions {100 * self.equal:.1f} % ({self.decisions})')


def compare(want: Sequence[np.ndarray], have: Sequence[np.ndarray], kind: str) -> Parity:
    """Compare outputs of the same inputs, one array an input.

    Decisions are the best class of a clip, picture or box; of an encoder, which of the other
    inputs is nearest by the cosine of the features' mean.
    """
    first, second = np.concatenate(want), np.concatenate(have)
    scale = np.abs(first).max()
    difference = np.abs(second - first) / (scale if scale else 1.)
    if not np.isfinite(second).all():
        difference = np.full_like(difference, np.inf)
    if kind == ENCODER:
        if len(first) < 3:
            equal, words = np.ones(1), 'none: it takes 3 inputs'
        else:
            equal, words = _nearest(first) == _nearest(second), 'nearest other input'
    else:
        equal, words = first.argmax(-1) == second.argmax(-1), 'best class'
    return Parity(float(difference.max()), float(difference.mean()), float(np.mean(equal)),
                  f'{words} of {equal.size}')


def _nearest(features: np.ndarray) -> np.ndarray:
    pooled = features.reshape(len(features), -1, features.shape[-1]).mean(1)
    pooled /= np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
    similarity = pooled @ pooled.T
    np.fill_diagonal(similarity, -np.inf)
    return similarity.argmax(1)
