"""Colours of features."""
import torch

from amd_mm.report.gathering.colours import colour_views, main_directions, turned
from amd_mm.report.gathering.features import Features
from amd_mm.tokens import TokenGrid

GRID = TokenGrid((2, 2), (3, 3))


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_the_largest_variance_comes_first():
    values = noise(200, 5) * torch.tensor([1., 9., .1, 4., .1])
    found = main_directions(values)
    centred = (values - values.mean(0))[:, [1, 3, 0]]
    for mine, theirs in zip(found.T, centred.T, strict=True):
        assert abs(torch.corrcoef(torch.stack([mine, theirs]))[0, 1]) > .99


def test_a_student_turned_away_from_its_teacher_gets_the_same_colours():
    teacher = main_directions(noise(60, 8))
    turn, _ = torch.linalg.qr(noise(3, 3))
    assert torch.allclose(turned(teacher @ turn, teacher), teacher, atol=1e-5)


def test_a_patch_has_one_colour_and_inputs_are_chosen():
    values = noise(3, 4, 6)
    features = Features({1: values, 2: values}, {'': {(2, 5): values}})
    views = colour_views(features, GRID, [0, 2])
    assert list(views) == ['student, block 2', 'teacher, block 5']
    student, teacher = views.values()
    assert student.shape == (2, 3, 6, 6)
    assert torch.allclose(student, teacher, atol=1e-5)
    patches = student.unfold(2, 3, 3).unfold(3, 3, 3)
    assert torch.equal(patches.amax((4, 5)), patches.amin((4, 5)))
    last = colour_views(features, GRID, [2])['teacher, block 5']
    assert last.shape == (1, 3, 6, 6)
