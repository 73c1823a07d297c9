"""Figures of features whose answers are known."""
import math

import pytest
import torch

from amd_mm.report.gathering.features import Features
from amd_mm.report.gathering.health import cka, effective_rank, measure_health, spread


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_rank_counts_the_directions_in_use():
    corners = torch.cat([torch.eye(4), -torch.eye(4)])
    assert effective_rank(corners) == pytest.approx(4)
    assert effective_rank(corners * torch.tensor([1., 1., 0., 0.])) == pytest.approx(2)
    # Shares 4/5 and 1/5 of the variance.
    uneven = corners * torch.tensor([2., 1., 0., 0.])
    assert effective_rank(uneven) == pytest.approx(
        math.exp(-.8 * math.log(.8) - .2 * math.log(.2)))
    assert effective_rank(torch.ones(5, 4)) == 0


def test_spread_is_1_in_all_directions_and_0_where_all_is_the_same():
    assert spread(noise(4000, 16)) == pytest.approx(1, abs=.02)
    assert spread(torch.ones(5, 4)) == 0


def test_cka_does_not_see_turns_nor_size():
    features = noise(50, 6)
    turn, _ = torch.linalg.qr(noise(6, 6, seed=1))
    assert cka(features, 3 * features @ turn + 1) == pytest.approx(1)
    # Of two orthogonal directions nothing is shared.
    assert cka(torch.tensor([[1.], [-1.], [1.], [-1.]]),
               torch.tensor([[1.], [1.], [-1.], [-1.]])) == pytest.approx(0)
    assert cka(features, torch.ones(50, 2)) == 0


def test_the_last_block_is_measured_and_each_pair_compared():
    first, last = noise(2, 8, 4), noise(2, 8, 4, seed=1)
    found = measure_health(Features({1: first, 2: last}, {'': {(1, 3): first, (2, 6): first}}))
    assert found['width'] == 4
    assert found['effective_rank'] == effective_rank(last.flatten(0, 1))
    assert found['sample_std'] == spread(last.mean(1))
    assert found['cka'] == {
        'teacher 3, student 1': pytest.approx(1),
        'teacher 6, student 2': cka(last.flatten(0, 1), first.flatten(0, 1))}
