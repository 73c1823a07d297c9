"""Samples of a batch, as the networks get them."""
import cv2
import numpy as np
import pytest
import torch
from golden import dmae_image, load_golden
from mmengine.model import ImgDataPreprocessor
from mmengine.structures import BaseDataElement
from torch import nn

from amd_mm.report.gathering.samples import (
    Samples,
    as_network_sees,
    draw_samples,
    keep_samples,
    unit_scale,
)
from amd_mm.visualization import draw_strip, mask_views


def elements(count: int) -> list[BaseDataElement]:
    return [BaseDataElement(metainfo=dict(sample_key=number)) for number in range(count)]


@pytest.mark.parametrize('wrap, places', [
    (lambda x: x, lambda kept: kept),
    (list, torch.stack),
    # Two views of every sample.
    (lambda x: [x, x + 100], lambda kept: kept[1] - 100),
], ids=['tensor', 'list', 'views'])
def test_evenly_spaced_samples_are_copied(wrap, places):
    batch = dict(inputs=wrap(torch.arange(6.).reshape(6, 1, 1, 1)), data_samples=elements(6))
    kept = keep_samples(batch, 3)
    assert places(kept.inputs).flatten().tolist() == [0, 2, 4]
    assert [sample.sample_key for sample in kept.data_samples] == [0, 2, 4]
    for inputs in batch['inputs']:
        inputs.fill_(-1)
    assert places(kept.inputs).flatten().tolist() == [0, 2, 4]
    assert len(keep_samples(batch, 100)) == 6 and len(keep_samples(batch, 4)) == 3


def test_of_an_update_of_several_batches_the_samples_are_those_of_the_last():
    kept = keep_samples(dict(inputs=torch.zeros(2, 1, 1, 1), data_samples=elements(6)), 2)
    assert [sample.sample_key for sample in kept.data_samples] == [4, 5]


def test_masks_are_those_of_the_samples_keys():
    model = load_golden(dmae_image('token')).train()
    pixels = torch.randint(256, (2, 3, *model.backbone.grid.input_size), dtype=torch.uint8,
                           generator=torch.Generator().manual_seed(0))
    samples = Samples(pixels, elements(2))
    images, mask = as_network_sees(model, samples)
    assert model.training
    assert torch.equal(mask.visible, model.mask_generator(torch.arange(2)).visible)
    shown = unit_scale(model.data_preprocessor, images)
    assert torch.allclose(shown, model.data_preprocessor(
        dict(inputs=pixels, data_samples=elements(2)))['inputs'] * model.head.std.reshape(-1, 1, 1)
        + model.head.mean.reshape(-1, 1, 1), atol=1e-5)
    drawn = cv2.imdecode(np.frombuffer(draw_samples(model, samples), np.uint8), cv2.IMREAD_COLOR)
    whole = draw_strip(mask_views(shown, mask, model.backbone.grid))
    assert drawn.shape == whole.shape
    assert np.abs(drawn[..., ::-1].astype(int) - whole).mean() < 12  # JPEG of noise


class Blending(ImgDataPreprocessor):
    """Draws in training, as mixup does, and marks what it was given."""

    def forward(self, data: dict, training: bool = False) -> dict:
        if training:
            torch.rand(3), np.random.rand(3)
            data['data_samples'][0].blended = True
        return super().forward(data, training)


def test_a_hosts_preprocessing_leaves_no_trace():
    model = nn.Linear(1, 1)
    model.data_preprocessor = Blending(mean=[0.], std=[1.])
    samples = Samples(torch.zeros(1, 1, 8, 8), elements(1))
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    assert draw_samples(model, samples)[:2] == b'\xff\xd8'
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])
    assert 'blended' not in samples.data_samples[0]
