import random

import numpy as np
import pytest
import torch

from amd_mm.datasets.sample_key import mix64, sample_key, seeded


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
