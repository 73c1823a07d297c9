"""What is read of both networks."""
import pytest
import torch
from golden import amd_video, dmae_image, load_golden

from amd_mm.report.gathering.features import read_features


@pytest.mark.parametrize('build, skipped', [(amd_video, 0), (lambda: dmae_image('token'), 1)],
                         ids=['video', 'image'])
def test_features_are_those_of_all_patches_of_the_taps(build, skipped):
    model = load_golden(build()).train()
    size = model.backbone.grid.input_size
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    found = read_features(model, images)
    assert model.training
    every = torch.arange(model.backbone.grid.num_tokens).expand(2, -1)
    model.eval()
    with torch.no_grad():
        taps = sorted({*model.taps, model.backbone.depth})
        _, expected = model.backbone.encode(images, every, taps)
        targets = model.teacher(images, every)
    assert list(found.student) == taps
    for mine, theirs in zip(found.student.values(), expected, strict=True):
        assert torch.equal(mine, theirs[:, skipped:])
    pairs = found.teachers['']
    assert list(pairs) == list(zip(model.lessons[0].taps, model.teacher.taps, strict=True))
    for mine, theirs in zip(pairs.values(), targets, strict=True):
        assert torch.equal(mine, theirs[:, skipped:])
