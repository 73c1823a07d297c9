"""Randomness that belongs to the sample, not to the process that loads it."""
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch

_MASK64 = (1 << 64) - 1


class SampleIndex(NamedTuple):
    """What a sampler of ours hands to a data set: which sample, in which epoch of which run.

    Args:
        epoch: Number of the pass over the data, counted from 0.
        index: Position of the sample in the data set.
        seed: Seed of the run, ``randomness.seed`` of its config.
    """
    epoch: int
    index: int
    seed: int = 0

    def key(self, repeat: int) -> int:
        """:func:`sample_key` of one repeat of this sample."""
        return sample_key(self.seed, self.epoch, self.index, repeat)


def mix64(value: int) -> int:
    """Map a 64-bit integer to another one, one to one (the finaliser of SplitMix64).

    Args:
        value: Any integer; its lowest 64 bits count.

    Returns:
        An integer in [0, 2**64).
    """
    value = (value + 0x9E3779B97F4A7C15) & _MASK64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK64
    return value ^ (value >> 31)


def sample_key(seed: int, epoch: int, index: int, repeat: int) -> int:
    """The key on which all randomness of one repeat of one sample hangs.

    The same on every machine, Python version, worker and process.

    Args:
        seed: Seed of the run.
        epoch: Number of the pass over the data.
        index: Position of the sample in the data set.
        repeat: Number of the repeat; -1 is what all repeats share (which frames).

    Returns:
        An integer in [0, 2**63).
    """
    state = 0
    for part in (seed, epoch, index, repeat):
        state = mix64(state ^ (part & _MASK64))
    return state >> 1


def seed_generators(key: int) -> None:
    """Seed ``random``, ``numpy.random`` and torch's CPU generator.

    Args:
        key: A sample key.
    """
    random.seed(key)
    # Not the key itself: both are Mersenne twisters, and would give the same numbers.
    numpy_key = mix64(key)
    np.random.seed([numpy_key & 0xFFFFFFFF, numpy_key >> 32])
    # torch.manual_seed would reseed the accelerators of the main process too.
    torch.default_generator.manual_seed(key)


@contextmanager
def preserved_generators() -> Iterator[None]:
    """Give ``random``, ``numpy.random`` and torch's CPU generator their states back on exit."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


@contextmanager
def seeded(key: int) -> Iterator[None]:
    """:func:`seed_generators` for a while: their states come back on exit."""
    with preserved_generators():
        seed_generators(key)
        yield
