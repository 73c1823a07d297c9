"""What every algorithm takes from its data preprocessor and its data."""
import pytest
import tiny_vits
import torch
from mmengine.structures import BaseDataElement
from tiny_vits import pretraining_config

from amd_mm.keys import view_keys
from amd_mm.models.algorithms import MaskedAutoencoder, MaskedPretraining
from amd_mm.registry import MODELS


def build(preprocessor: dict | None = None, modality: str = 'image') -> MaskedPretraining:
    return MODELS.build(dict(pretraining_config(modality), data_preprocessor=preprocessor))


def test_pixel_statistics_are_those_of_the_preprocessor():
    model = build(dict(type='mmengine.ImgDataPreprocessor', mean=[51., 102., 153.],
                       std=[25.5, 51., 76.5]))
    assert model.head.mean.tolist() == pytest.approx([.2, .4, .6])
    assert model.head.std.tolist() == pytest.approx([.1, .2, .3])


def test_without_normalisation_pixels_are_on_the_255_scale():
    """A network that sees 0 to 255: its pictures are 255 times those on the unit scale."""
    model = build(dict(type='mmengine.ImgDataPreprocessor'))
    assert (model.head.mean.tolist(), model.head.std.tolist()) == ([0.], pytest.approx([1 / 255]))
    white = torch.full((1, 3, 32, 32), 255.)
    torch.testing.assert_close(model.head.to_unit_scale(white), torch.ones(1, 3, 32, 32))


def test_the_class_token_starts_as_maes():
    torch.manual_seed(0)
    encoder = MODELS.build(dict(type='amd_mm.ImageVisionTransformer', img_size=32, arch=dict(
        embed_dims=4096, num_layers=1, num_heads=1, feedforward_channels=1)))
    encoder.init_weights()
    assert encoder.cls_token.std().item() == pytest.approx(.02, rel=.05)


def test_masks_hang_on_the_keys_of_the_data():
    model = build()
    images = tiny_vits.pixels('image', batch=2)
    samples = [BaseDataElement(metainfo=dict(sample_key=key)) for key in (5, 7)]
    mask = model.mask_generator(torch.tensor([5, 7]))
    assert torch.equal(model._sample_keys(images, samples), torch.tensor([5, 7]))
    expected = model.masked_loss(images, mask)['loss_rec']
    assert torch.equal(model.loss(images, samples)['loss_rec'], expected)
    # Two views of a sample have keys of their own.
    both = torch.cat([images, images])
    assert torch.equal(model._sample_keys(both, samples), view_keys(torch.tensor([5, 7]), 2))


def test_keys_for_some_samples_only_are_refused():
    samples = [BaseDataElement(metainfo=dict(sample_key=5)), BaseDataElement()]
    with pytest.raises(ValueError, match=r'sample_key or none, got \[5, None\]'):
        build().loss(tiny_vits.pixels('image', batch=2), samples)


def test_the_parent_is_no_algorithm():
    with pytest.raises(TypeError, match='masked_loss'):
        MaskedPretraining(**{name: part for name, part in pretraining_config('image').items()
                             if name != 'type'})
    assert issubclass(MaskedAutoencoder, MaskedPretraining)
