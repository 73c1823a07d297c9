"""Relations as distributions, by hand and in float64."""
import pytest
import torch

from amd_mm.models.losses import RelationLoss

GENERATOR = torch.Generator().manual_seed(0)
STUDENT = torch.randn(2, 3, 5, 5, generator=GENERATOR)
TEACHER = 4 * torch.randn(2, 3, 5, 5, generator=GENERATOR)


def test_divergence_by_hand():
    p, q = (x.double().exp() / x.double().exp().sum(-1, keepdim=True) for x in (TEACHER, STUDENT))
    expected = (p * (p / q).log()).sum(-1).mean()
    loss = RelationLoss(.3)(STUDENT, TEACHER)
    assert loss.item() == pytest.approx(.3 * expected.item(), rel=1e-6)


def test_is_of_the_student_from_the_teacher_and_not_the_other_way_round():
    loss = RelationLoss(1.)
    assert loss(TEACHER, TEACHER).item() == pytest.approx(0, abs=1e-7)
    assert loss(STUDENT, TEACHER).item() != pytest.approx(loss(TEACHER, STUDENT).item(), rel=.01)


def test_large_products_do_not_overflow_and_float32_is_computed():
    loss = RelationLoss(1.)(1e4 * STUDENT.half(), TEACHER.half())
    assert loss.dtype == torch.float32 and loss.isfinite()
