"""Losses by pair, and the size of features."""
import pytest
import torch
from golden import amd_video, dmae_image, load_golden
from mmengine.structures import BaseDataElement

from amd_mm.models.algorithms import MaskedAutoencoder
from amd_mm.report.gathering.alignment import compare_taps, takes_raw_features
from amd_mm.report.gathering.samples import Samples, as_network_sees


def seen(model):
    grid, generator = model.backbone.grid, torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (2, 3, *grid.input_size), generator=generator, dtype=torch.uint8)
    samples = [BaseDataElement(metainfo=dict(sample_key=key)) for key in (5, 7)]
    inputs = list(pixels[:, None]) if grid.is_video else pixels
    return as_network_sees(model, Samples(inputs, samples))


@pytest.mark.parametrize('build', [amd_video, lambda: dmae_image('token')], ids=['amd', 'dmae'])
def test_pairs_average_to_the_losses_of_training(build):
    model = load_golden(build()).eval()
    images, mask = seen(model)
    with torch.no_grad():
        whole = model.masked_loss(images, mask)
    found = compare_taps(model, images, mask)
    for name in ('loss_dir', 'loss_gen'):
        pairs = [value for key, value in found['losses'].items() if key.startswith(name)]
        assert (name in whole) == bool(pairs)
        if pairs:
            assert sum(pairs) / len(pairs) == pytest.approx(float(whole[name]), rel=1e-5)
    targets = model.teacher(images, mask.teacher_visible)
    assert list(found['scale'].values()) == pytest.approx([
        float(target.square().mean().sqrt()) for target in targets])
    assert [f'teacher, block {tap}' for tap in model.teacher.taps] == list(found['scale'])


def test_without_a_teacher_there_is_nothing_to_compare():
    model = object.__new__(MaskedAutoencoder)
    assert compare_taps(model, torch.empty(0), None) == dict(losses={}, scale={})
    assert not takes_raw_features(object())
    assert takes_raw_features(amd_video())
    assert not takes_raw_features(dmae_image('token'))
