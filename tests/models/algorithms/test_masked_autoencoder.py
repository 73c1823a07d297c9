import golden
import pytest
import torch
from golden import IMAGE_NAMES, VIDEO_NAMES, amd_video, dmae_image, load_golden
from losses import pixel_head
from mmpretrain.structures import DataSample

from amd_mm.registry import MODELS
from amd_mm.tokens import gather_patches

PARTS = ('data_preprocessor', 'backbone', 'decoder', 'head')
SIZE = dict(img_size=32, patch_size=8, num_frames=8, use_mean_pooling=False)
VIDEOMAE = dict(
    type='amd_mm.MaskedAutoencoder',
    data_preprocessor=dict(type='mmaction.ActionDataPreprocessor', mean=golden.MEAN,
                           std=golden.STD, format_shape='NCTHW'),
    backbone=dict(type='amd_mm.VideoVisionTransformer', embed_dims=24, depth=4, num_heads=3,
                  **SIZE),
    mask_generator=dict(type='amd_mm.AsymmetricMaskGenerator', strategy='tube',
                        student_ratio=.9),
    decoder=dict(type='amd_mm.PixelDecoder', embed_dims=16, depth=2, num_heads=2),
    head=pixel_head('token_channel'))
KEYS = [DataSample(metainfo=dict(sample_key=key)) for key in (1, 2)]


def build(**changes) -> torch.nn.Module:
    return MODELS.build({**VIDEOMAE, **changes})


def test_is_amd_without_its_teacher():
    """The reconstruction of AMD is VideoMAE's: same weights, same keys, same loss_rec."""
    amd, model = load_golden(amd_video()), build()
    model.load_state_dict(amd.state_dict(), strict=False)
    clips = torch.randn(2, 1, 3, 8, 32, 32)
    losses = model.loss(clips, KEYS)
    assert set(losses) == {'loss_rec'}
    assert losses['loss_rec'].item() == pytest.approx(
        amd.loss(clips, KEYS)['loss_rec'].item(), rel=1e-6)


@pytest.mark.parametrize('table', [VIDEO_NAMES, IMAGE_NAMES], ids=['video', 'image'])
def test_every_parameter_trains(table):
    image = table is IMAGE_NAMES
    if image:
        dmae = dmae_image('token')
        model = MODELS.build(dict(
            type='amd_mm.MaskedAutoencoder',
            data_preprocessor=dict(type='mmpretrain.SelfSupDataPreprocessor', mean=golden.MEAN,
                                   std=golden.STD),
            backbone=dict(type='amd_mm.ImageVisionTransformer', img_size=32, patch_size=8,
                          arch=dmae.backbone.arch_settings),
            mask_generator=dict(type='amd_mm.AsymmetricMaskGenerator', strategy='random',
                                student_ratio=.75),
            decoder=dict(type='amd_mm.PixelDecoder', embed_dims=16, depth=2, num_heads=4),
            head=pixel_head('token')))
    else:
        model = build()
    model.init_weights()
    model.loss(torch.randn(2, 3, *model.backbone.grid.input_size))['loss_rec'].backward()
    untrained = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert untrained == (['backbone.pos_embed'] if image else [])


def test_reconstruction_shows_the_visible_patches_as_they_are():
    model = build()
    model.init_weights()
    pixels = torch.randint(0, 256, (2, 1, 3, 8, 32, 32)).float()
    inputs = model.data_preprocessor(dict(inputs=list(pixels), data_samples=KEYS))['inputs']
    images, painted, mask, _ = model.reconstruct(inputs, KEYS)
    torch.testing.assert_close(images, pixels[:, 0] / 255, atol=1e-6, rtol=0)
    grid = model.backbone.grid
    assert torch.equal(gather_patches(painted, mask.visible, grid),
                       gather_patches(images, mask.visible, grid))
    masked = [gather_patches(x, mask.masked, grid) for x in (painted, images)]
    assert (masked[0] - masked[1]).abs().mean() > .01
    assert painted.min() >= 0 and painted.max() <= 1


def test_other_modes():
    model = build()
    clips = torch.randn(2, 1, 3, 8, 32, 32)
    torch.testing.assert_close(model(clips, mode='tensor'), model.backbone(clips[:, 0]))
    assert set(model(clips, KEYS, mode='loss')) == {'loss_rec'}
    with pytest.raises(ValueError, match="got 'test'"):
        model(clips, mode='test')


def test_input_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r'must be \(8, 32, 32\).*got \(16, 32, 32\)'):
        build().loss(torch.randn(2, 1, 3, 16, 32, 32))


@pytest.mark.parametrize('changes, words', [
    (dict(decoder=None), 'decoder of MaskedAutoencoder must be one config, .* got None'),
    (dict(head=None), 'head of MaskedAutoencoder must be one config, .* got None'),
])
def test_pixels_are_all_it_learns_from(changes, words):
    with pytest.raises(ValueError, match=words):
        build(**changes)


def test_a_list_is_one_of_views():
    model, clips = build(), torch.randn(2, 3, 3, 8, 32, 32)  # 2 samples, 3 views
    model.init_weights()
    listed = model.loss(list(clips.unbind(1)), KEYS)['loss_rec']
    assert listed.item() == pytest.approx(model.loss(clips, KEYS)['loss_rec'].item(), rel=1e-6)
    with pytest.raises(ValueError, match='must hold views, batches of 5 axes each, got 4'):
        model.loss(list(clips[:, 0]), KEYS)


def test_keys_of_some_samples_only_are_refused():
    with pytest.raises(ValueError, match='every sample of a batch must have a sample_key or none'):
        build().loss(torch.randn(2, 1, 3, 8, 32, 32), [KEYS[0], DataSample()])


def test_nothing_masked_leaves_nothing_to_predict():
    with pytest.raises(ValueError, match='needs masked tokens to predict, .* sees all 64: raise'):
        build(mask_generator=dict(VIDEOMAE['mask_generator'], student_ratio=0))
