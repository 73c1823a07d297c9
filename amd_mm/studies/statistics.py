"""Whether one arm is better than another, over seeds that both were run with."""
import itertools
import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from scipy import stats


class Comparison(NamedTuple):
    """The paired difference of two arms.

    Attributes:
        mean: Of the differences.
        half_width: Of its 95 % interval by Student's t.
        t_test: Two-sided p of the paired t-test; None where all differences are equal.
        sign_flip: Two-sided p of the exact sign-flip test; n seeds cannot bring it below
            2 / 2^n.
    """
    mean: float
    half_width: float
    t_test: float | None
    sign_flip: float


def compare(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """How much better ``first`` is than ``second``, seed by seed.

    Args:
        first: One value a seed, at least two.
        second: Of the same seeds, in the same order.

    Raises:
        ValueError: If there are fewer than two pairs, or values without a partner.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError('A paired comparison must have two values of each of at least two seeds, '
                         f'got {len(first)} and {len(second)}: run more seeds')
    differences = [a - b for a, b in zip(first, second, strict=True)]
    n, mean = len(differences), statistics.fmean(differences)
    error = statistics.stdev(differences) / math.sqrt(n)
    # Equal differences leave rounding only: no spread to measure the mean by.
    has_spread = error > 1e-12 * max(map(abs, differences), default=0.)
    half_width = float(stats.t.ppf(0.975, n - 1)) * error
    t_test = float(2 * stats.t.sf(abs(mean) / error, n - 1)) if has_spread else None
    return Comparison(mean, half_width, t_test, _sign_flip(differences))


def _sign_flip(differences: Sequence[float]) -> float:
    """The share of all choices of signs whose sum is at least as far from 0."""
    found = abs(math.fsum(differences))
    sums = (abs(math.fsum(sign * value for sign, value in zip(signs, differences, strict=True)))
            for signs in itertools.product((1, -1), repeat=len(differences)))
    # A choice that is equal but for rounding counts.
    return statistics.fmean(value >= found * (1 - 1e-9) for value in sums)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p of each of several questions, corrected for having asked them all (Holm, 1979).

    Args:
        p_values: In [0, 1].
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected = [0.] * len(p_values)
    largest = 0.
    for rank, index in enumerate(order):
        largest = max(largest, min(1., (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
