import pytest
import torch
from mmpretrain.models.losses import CosineSimilarityLoss

from amd_mm.models.losses import FeatureAlignmentLoss

GENERATOR = torch.Generator().manual_seed(0)
STUDENT = torch.randn(2, 3, 5, generator=GENERATOR)
TEACHER = 10 * torch.randn(2, 3, 5, generator=GENERATOR)


@pytest.mark.parametrize('distance, by_hand', [
    ('l2', lambda d: d**2),
    ('l1', lambda d: d.abs()),
    ('smooth_l1', lambda d: torch.where(d.abs() < 1, d**2 / 2, d.abs() - .5)),
])
def test_distances(distance, by_hand):
    loss = FeatureAlignmentLoss(distance, None, .3)(STUDENT, TEACHER)
    assert loss.item() == pytest.approx(.3 * by_hand(STUDENT - TEACHER).mean().item(), rel=1e-6)


@pytest.mark.parametrize('normalize', [None, 'l2'])
def test_cosine_by_hand_and_by_the_host(normalize):
    cosines = (STUDENT * TEACHER).sum(-1) / STUDENT.norm(dim=-1) / TEACHER.norm(dim=-1)
    loss = FeatureAlignmentLoss('cosine', normalize, .3)(STUDENT, TEACHER).item()
    assert loss == pytest.approx(.3 * (1 - cosines.mean().item()), rel=1e-6)
    host = CosineSimilarityLoss(shift_factor=1., scale_factor=1.)
    assert loss == pytest.approx(.3 * host(STUDENT, TEACHER).item(), rel=1e-6)


def test_layer_norm_touches_the_teacher_only():
    mean, var = TEACHER.mean(-1, keepdim=True), TEACHER.var(-1, unbiased=False, keepdim=True)
    expected = (STUDENT - (TEACHER - mean) / (var + 1e-6).sqrt()).pow(2).mean()
    loss = FeatureAlignmentLoss('l2', 'layer_norm', 1.)(STUDENT, TEACHER)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_l2_normalises_both():
    unit = [x / x.pow(2).sum(-1, keepdim=True).sqrt() for x in (STUDENT, TEACHER)]
    loss = FeatureAlignmentLoss('l1', 'l2', 1.)(STUDENT, TEACHER)
    assert loss.item() == pytest.approx((unit[0] - unit[1]).abs().mean().item(), rel=1e-5)


def test_computes_in_float32():
    loss = FeatureAlignmentLoss('l2', None, 1.)(STUDENT.bfloat16(), TEACHER.bfloat16())
    assert loss.dtype == torch.float32


@pytest.mark.parametrize('settings, words', [
    (dict(distance='mse'), "distance of .* must be one of .* got 'mse'"),
    (dict(normalize='batch_norm'), "normalize of .* must be one of .* got 'batch_norm'"),
])
def test_unknown_settings_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        FeatureAlignmentLoss(**{'distance': 'l2', 'normalize': None, 'loss_weight': 1., **settings})
