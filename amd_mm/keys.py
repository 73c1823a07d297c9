"""All randomness: keys that belong to a sample, not to the process that loads it.

A key is an int64 in [0, 2**63) made by SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): the same
on every machine, Python version, worker, process and device.
"""
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ['Sample', 'sample_key', 'step_key']

_MASK64 = (1 << 64) - 1
# SplitMix64: the step from one counter to the next, and the (shift, factor) rounds and last shift
# of its finaliser.
_STEP = 0x9E3779B97F4A7C15
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31


def mix64(value: int) -> int:
    """Map a 64-bit integer to another one, one to one (a step of SplitMix64).

    Args:
        value: Any integer; its lowest 64 bits count.

    Returns:
        An integer in [0, 2**64).
    """
    value = (value + _STEP) & _MASK64
    for shift, factor in _ROUNDS:
        value = ((value ^ (value >> shift)) * factor) & _MASK64
    return value ^ (value >> _LAST_SHIFT)


def sample_key(seed: int, epoch: int, number: int, repeat: int) -> int:
    """The key on which all randomness of one repeat of one sample hangs.

    Args:
        seed: Seed of the run.
        epoch: Number of the pass over the data.
        number: Position of the sample in the data set.
        repeat: Number of the repeat; -1 is what all repeats share (which frames).

    Returns:
        An integer in [0, 2**63).
    """
    state = 0
    for part in (seed, epoch, number, repeat):
        state = mix64(state ^ (part & _MASK64))
    return state >> 1


class Sample(NamedTuple):
    """What a sampler of ours hands to a data set: which sample, in which epoch of which run.

    Attributes:
        seed: Seed of the run, ``randomness.seed`` of its config.
        epoch: Number of the pass over the data, counted from 0.
        number: Position of the sample in the data set.
    """
    seed: int
    epoch: int
    number: int

    @property
    def shared_key(self) -> int:
        """The key of what all repeats share: which frames."""
        return sample_key(*self, -1)

    def repeat_key(self, repeat: int) -> int:
        """The key of one repeat, counted from 0: its crop and its mask."""
        return sample_key(*self, repeat)


def step_key(seed: int, iteration: int, batch: int, rank: int) -> int:
    """The key of what a process draws in a step of training: mixup, cutmix, drop path.

    Args:
        seed: Seed of the run.
        iteration: Number of the update, counted from 0.
        batch: Number of the batch in its update.
        rank: Number of the process.
    """
    # Repeats of samples begin at -1.
    return sample_key(seed, iteration, batch, -2 - rank)


def epoch_order(seed: int, epoch: int, length: int) -> Tensor:
    """The order in which an epoch goes through ``length`` samples: their (length,) numbers."""
    # Not seed + epoch: epoch 1 of one seed would be epoch 0 of the next.
    generator = torch.Generator().manual_seed(sample_key(seed, epoch, -1, -1))
    return torch.randperm(length, generator=generator)


def hash_positions(keys: Tensor, length: int) -> Tensor:
    """Counter-based random numbers: (B,) int64 keys to (B, length) int64.

    A pure function of key and position: no generator state, so a resumed run,
    another number of processes or another device draws the same numbers.
    """
    counters = torch.arange(1, length + 1, device=keys.device) * _signed(_STEP)
    return _finalise(_finalise(keys)[:, None] + counters)


def view_keys(keys: Tensor, views: int) -> Tensor:
    """(B,) sample keys to (B * views,) keys, one a view; a single view keeps its key."""
    return keys if views == 1 else hash_positions(keys, views).flatten()


def _finalise(x: Tensor) -> Tensor:
    """SplitMix64's finaliser on int64: the same bits on every device."""
    for shift, factor in _ROUNDS:
        x = _xor_shifted(x, shift) * _signed(factor)
    return _xor_shifted(x, _LAST_SHIFT)


def _xor_shifted(x: Tensor, shift: int) -> Tensor:
    # torch shifts copies of the sign in; the mask makes zeros of them.
    return x ^ ((x >> shift) & ((1 << (64 - shift)) - 1))


def _signed(value: int) -> int:
    """A 64-bit pattern as the int64 that has it."""
    return value - (1 << 64) if value >> 63 else value


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
