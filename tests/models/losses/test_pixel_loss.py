import pytest
import torch
from mmpretrain.models.losses import PixelReconstructionLoss

from amd_mm.models.losses import PixelLoss

GENERATOR = torch.Generator().manual_seed(0)
PREDICTION = torch.randn(2, 3, 5, generator=GENERATOR)
TARGET = 2 * torch.randn(2, 3, 5, generator=GENERATOR)


@pytest.mark.parametrize('distance, by_hand', [
    ('l2', lambda d: d**2),
    ('l1', lambda d: d.abs()),
    ('smooth_l1', lambda d: torch.where(d.abs() < 1, d**2 / 2, d.abs() - .5)),
])
def test_distances(distance, by_hand):
    loss = PixelLoss(distance, .3)(PREDICTION, TARGET)
    assert loss.item() == pytest.approx(.3 * by_hand(PREDICTION - TARGET).mean().item(), rel=1e-6)


@pytest.mark.parametrize('ours, theirs', [('l2', 'L2'), ('l1', 'L1')])
def test_equals_the_hosts(ours, theirs):
    expected = PixelReconstructionLoss(theirs)(PREDICTION, TARGET)
    assert PixelLoss(ours, 1.)(PREDICTION, TARGET).item() == pytest.approx(
        expected.item(), rel=1e-6)


def test_computes_in_float32():
    prediction, target = PREDICTION.bfloat16(), TARGET.bfloat16()
    expected = (prediction.float() - target.float()).pow(2).mean()
    assert PixelLoss('l2', 1.)(prediction, target).item() == pytest.approx(
        expected.item(), rel=1e-6)


def test_unknown_distance_is_refused():
    with pytest.raises(ValueError, match="distance of .* must be one of .* got 'mse'"):
        PixelLoss('mse', 1.)
