"""What every algorithm takes from its data preprocessor and its data."""
import pytest
import tiny_vits
import torch
from losses import pixel_head
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


@pytest.mark.parametrize('modality', ['image', 'video'])
def test_any_rectangle_of_any_channels_is_reconstructed(modality):
    """A decoder that says 0 is off by the squares of the masked pixels."""
    config = pretraining_config(modality, amd=True)
    for encoder in (config['backbone'], config['teacher']['backbone']):
        encoder.update(img_size=(16, 32), in_channels=1)
    model = MODELS.build(dict(
        config, head=pixel_head(None), data_preprocessor=dict(type='mmengine.ImgDataPreprocessor')))
    torch.nn.init.zeros_(model.decoder.head.weight)
    torch.nn.init.zeros_(model.decoder.head.bias)
    images = torch.randn(2, 1, *model.backbone.grid.input_size)
    mask = model.mask_generator(torch.tensor([5, 7]))
    frames = images.reshape(2, -1, 16, 32)
    tokens = frames.unflatten(1, (model.backbone.grid.num_frames, -1)).unflatten(-2, (2, 8))
    tokens = tokens.unflatten(-1, (4, 8)).permute(0, 1, 3, 5, 2, 4, 6).flatten(4).flatten(1, 3)
    is_masked = torch.zeros(tokens.shape[:2]).scatter(1, mask.masked, 1).bool()
    expected = tokens[is_masked].square().mean()
    torch.testing.assert_close(model.masked_loss(images, mask)['loss_rec'], expected)
    samples = [BaseDataElement(metainfo=dict(sample_key=key)) for key in (5, 7)]
    made = model.reconstruct(images.abs(), samples)
    assert torch.equal(made.mask.visible, mask.visible)
    same = (made.images - made.painted).abs().reshape(2, -1, 16, 32).flatten(1).bool()
    assert same.sum() == is_masked.sum() * tokens[0, 0].numel()


def test_channels_of_the_parts_agree():
    config = pretraining_config('image', amd=True)
    config['backbone'] = dict(config['backbone'], in_channels=1)
    with pytest.raises(ValueError, match='as many input channels, got 1 and 3: give both'):
        MODELS.build(config)
    preprocessor = dict(type='mmengine.ImgDataPreprocessor', mean=[0., 0., 0.], std=[1., 1., 1.])
    with pytest.raises(ValueError, match='mean of the data preprocessor.* channels, 1, .*got 3'):
        MODELS.build(dict(pretraining_config('image'), backbone=config['backbone'],
                          data_preprocessor=preprocessor))


def test_masks_can_follow_the_motion_of_the_input():
    config = pretraining_config('video')
    config['mask_generator'].update(strategy=dict(type='amd_mm.MotionMasking', reach=8))
    model = MODELS.build(config)
    clips, keys = tiny_vits.pixels('video'), torch.tensor([5, 7])
    mask = model.draw_mask(clips, keys)
    assert torch.equal(mask.visible, model.mask_generator(keys, clips).visible)
    assert not torch.equal(mask.visible, model.draw_mask(clips.flip(2), keys).visible)
    samples = [BaseDataElement(metainfo=dict(sample_key=key)) for key in (5, 7)]
    expected = model.masked_loss(clips, mask)['loss_rec']
    assert torch.equal(model.loss(clips[:, None], samples)['loss_rec'], expected)
    assert torch.equal(model.reconstruct(clips[:, None], samples).mask.visible, mask.visible)


def test_masks_by_attention_need_a_teacher():
    config = pretraining_config('image')
    config['mask_generator'].update(strategy=dict(type='amd_mm.AttentionMasking'))
    with pytest.raises(ValueError, match='AttentionMasking decides by the attention of a teacher, '
                                         'and MaskedAutoencoder has none: .* amd_mm.AMD'):
        MODELS.build(config)
