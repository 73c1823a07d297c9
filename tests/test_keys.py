import random

import numpy as np
import pytest
import torch

from amd_mm.keys import (
    Sample,
    epoch_order,
    hash_positions,
    mix64,
    sample_key,
    seeded,
    step_key,
    view_keys,
)


def test_mix64_is_splitmix64():
    # The first outputs of the published generator started from 0: its state grows by this step.
    step = 0x9E3779B97F4A7C15
    assert [mix64(step * n) for n in range(3)] == [
        0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_key_is_the_same_on_every_machine():
    assert sample_key(0, 0, 0, 0) == 1195769770526638388
    assert sample_key(1, 2, 3, -1) == 4347735349820051804


def test_keys_are_nonnegative_int64_and_differ():
    keys = [sample_key(seed, epoch, index, repeat) for seed in (0, 1) for epoch in range(5)
            for index in range(200) for repeat in range(-1, 4)]
    assert len(set(keys)) == len(keys)
    assert min(keys) >= 0 and max(keys) < 2**63
    # Evenly spread: half of the top bits are set, 5 deviations allowed.
    top = sum(key >> 62 for key in keys)
    assert abs(top - len(keys) / 2) < 5 * len(keys)**.5 / 2


def draw():
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_seeded_depends_on_the_key_alone_and_leaves_no_trace():
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    expected = draw()
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    with seeded(2**63 - 1):
        first = draw()
    with pytest.raises(OSError), seeded(5):
        raise OSError
    assert draw() == expected
    with seeded(2**63 - 1):
        assert draw() == first
    with seeded(2**63 - 2):
        assert all(a != b for a, b in zip(draw(), first, strict=True))


KEYS = torch.tensor([0, 1, 2**62, 9, 2**63 - 1])


def splitmix64(x: int) -> int:
    """The finalizer in plain Python integers."""
    mask = 2**64 - 1
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & mask
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & mask
    return x ^ (x >> 31)


def signed(x: int) -> int:
    return x - 2**64 if x >= 2**63 else x


def test_hash_is_splitmix64():
    hashed = hash_positions(KEYS, 5)
    for row, key in zip(hashed.tolist(), KEYS.tolist(), strict=True):
        start = splitmix64(key)
        expected = [signed(splitmix64((start + i * 0x9E3779B97F4A7C15) % 2**64))
                    for i in range(1, 6)]
        assert row == expected


def test_a_sample_has_the_keys_of_its_numbers():
    sample = Sample(seed=3, epoch=2, number=7)
    assert sample.shared_key == sample_key(3, 2, 7, -1)
    assert sample.repeat_key(4) == sample_key(3, 2, 7, 4)


def test_order_of_an_epoch():
    assert epoch_order(0, 0, 8).tolist() == [0, 2, 1, 5, 6, 7, 3, 4]
    assert sorted(epoch_order(0, 1, 8).tolist()) == list(range(8))
    # Not a function of seed + epoch.
    assert epoch_order(0, 1, 50).tolist() != epoch_order(1, 0, 50).tolist()


def test_steps_draw_apart_from_samples_and_from_other_processes():
    keys = {step_key(0, iteration, batch, rank)
            for iteration in range(9) for batch in range(3) for rank in range(4)}
    assert len(keys) == 9 * 3 * 4
    assert keys.isdisjoint(sample_key(0, epoch, number, repeat) for epoch in range(9)
                           for number in range(3) for repeat in range(-1, 4))


def test_a_single_view_keeps_its_key():
    assert view_keys(KEYS, 1) is KEYS
    assert torch.equal(view_keys(KEYS, 3), hash_positions(KEYS, 3).flatten())
