"""Features against the backbone's own forward pass and against every block's output."""
import pytest
import tiny_vits
import torch
from mmengine.config import Config

from amd_mm.inference import FeatureExtractor, Input
from amd_mm.registry import MODELS

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
IMAGE_ARCH = dict(embed_dims=24, num_layers=2, num_heads=3, feedforward_channels=96)
VIDEO = dict(
    type='amd_mm.VideoVisionTransformer', img_size=32, patch_size=8, embed_dims=24, depth=2,
    num_heads=3, num_frames=4)
IMAGE = dict(type='amd_mm.ImageVisionTransformer', arch=IMAGE_ARCH, img_size=32, patch_size=8)
POOLING_IMAGE = dict(IMAGE, out_type='avg_featmap', final_norm=False, fixed_positions=False)


def config(backbone: dict) -> Config:
    """As recipes are written, with what only training uses and a teacher that is nowhere."""
    init_cfg = dict(type='Pretrained', checkpoint='nowhere.pth', prefix='backbone.')
    if backbone['type'].endswith('VideoVisionTransformer'):
        preprocessor = dict(
            type='mmaction.ActionDataPreprocessor', mean=MEAN, std=STD, format_shape='NCTHW',
            blending=dict(type='mmaction.MixupBlending', num_classes=None))
    else:
        # mmpretrain fills in the type.
        preprocessor = dict(mean=MEAN, std=STD, to_rgb=True)
    return Config(dict(data_preprocessor=preprocessor, model=dict(
        type='amd_mm.AMD', teacher=dict(checkpoint='nowhere.pth'),
        backbone=dict(backbone, init_cfg=init_cfg))))


def save(backbone: dict, path) -> torch.nn.Module:
    model = tiny_vits.randomise(MODELS.build(backbone), seed=3)
    torch.save(dict(state_dict={f'backbone.{name}': value
                                for name, value in model.state_dict().items()}), path)
    return model


def inputs(is_video: bool) -> tuple[list[Input], torch.Tensor]:
    """Some inputs, and as the network has to see them: RGB, normalised."""
    generator = torch.Generator().manual_seed(0)
    size = (3, 3, 4, 32, 32) if is_video else (3, 3, 32, 32)
    pixels = torch.randint(256, size, generator=generator, dtype=torch.uint8)
    shape = (1, 3) + (1, ) * (len(size) - 2)
    images = (pixels - torch.tensor(MEAN).view(shape)) / torch.tensor(STD).view(shape)
    return [Input(item, (), 0.) for item in pixels], images


@pytest.mark.parametrize('backbone', [VIDEO, IMAGE, POOLING_IMAGE])
def test_the_default_is_what_the_backbone_gives(tmp_path, backbone):
    model = save(backbone, tmp_path / 'last.pth')
    items, images = inputs(backbone['type'] == VIDEO['type'])
    extractor = FeatureExtractor(config(backbone), tmp_path / 'last.pth')
    with torch.no_grad():
        want = model(images)
    want = want[-1] if isinstance(want, tuple) else want
    have = extractor(items)
    assert have.shape == (3, *extractor.shape)
    torch.testing.assert_close(have, want, rtol=1e-4, atol=1e-5)
    assert torch.equal(have, extractor(items))


@pytest.mark.parametrize('backbone', [dict(VIDEO, use_mean_pooling=False), VIDEO, IMAGE])
@pytest.mark.parametrize('layer', [1, 2])
def test_any_block_pooled_or_per_token(tmp_path, backbone, layer):
    model = save(backbone, tmp_path / 'last.pth')
    items, images = inputs(backbone['type'] == VIDEO['type'])
    want = tiny_vits.block_outputs(model, images)[layer - 1]
    cls = model.num_prefix_tokens
    for pool, expected in (('none', want), ('mean', want[:, cls:].mean(1)), ('cls', want[:, 0])):
        if pool == 'cls' and not cls:
            continue
        extractor = FeatureExtractor(config(backbone), tmp_path / 'last.pth', layer, pool)
        torch.testing.assert_close(extractor(items), expected, rtol=1e-4, atol=1e-5)


def test_pre_trained_tokens_have_their_last_norm(tmp_path):
    backbone = dict(VIDEO, use_mean_pooling=False)
    model = save(backbone, tmp_path / 'last.pth')
    items, images = inputs(True)
    latent = tiny_vits.block_outputs(model, images)[-1]
    path = tmp_path / 'last.pth'
    tokens = FeatureExtractor(config(backbone), path, pool='none')(items)
    torch.testing.assert_close(tokens, latent, rtol=1e-4, atol=1e-5)
    mean = FeatureExtractor(config(backbone), path)(items)
    torch.testing.assert_close(mean, latent.mean(1), rtol=1e-4, atol=1e-5)


def test_a_norm_that_was_never_trained_is_no_feature(tmp_path):
    student = save(dict(VIDEO, use_mean_pooling=False), tmp_path / 'student.pth')
    items, images = inputs(True)
    features = tiny_vits.block_outputs(student, images)[1]
    with pytest.raises(ValueError, match='must hold the norm behind the last block .* --layer 2'):
        FeatureExtractor(config(VIDEO), tmp_path / 'student.pth')
    # No block's output needs it, nor do the tokens before pooling.
    for arguments, expected in ((dict(layer=2), features.mean(1)), (dict(pool='none'), features)):
        made = FeatureExtractor(config(VIDEO), tmp_path / 'student.pth', **arguments)
        torch.testing.assert_close(made(items), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('backbone', [dict(VIDEO, use_mean_pooling=False), IMAGE])
def test_a_student_of_features_alone_has_no_last_norm(tmp_path, backbone):
    """The algorithm drops it where nothing reads it; its config does not say so."""
    student = tiny_vits.randomise(MODELS.build(backbone), seed=3)
    student.drop_final_norm()
    path = tmp_path / 'student.pth'
    torch.save(dict(state_dict={f'backbone.{name}': value
                                for name, value in student.state_dict().items()}), path)
    items, images = inputs(backbone['type'] == VIDEO['type'])
    with pytest.raises(ValueError, match='has no norm behind its last block: .*final_norm=False.*'
                                         'use_mean_pooling=True.*--layer'):
        FeatureExtractor(config(backbone), path)
    for layer, want in enumerate(tiny_vits.block_outputs(student, images)[:2], start=1):
        made = FeatureExtractor(config(backbone), path, layer, 'none')
        torch.testing.assert_close(made(items), want, rtol=1e-4, atol=1e-5)
    without = dict(final_norm=False) if backbone is IMAGE else dict(use_mean_pooling=True)
    made = FeatureExtractor(config(dict(backbone, **without)), path, pool='none')
    torch.testing.assert_close(made(items), want, rtol=1e-4, atol=1e-5)


def test_bad_wishes_are_refused(tmp_path):
    save(VIDEO, tmp_path / 'last.pth')
    path = tmp_path / 'last.pth'
    with pytest.raises(ValueError, match='--layer must be a block from 1 to 2, got 3'):
        FeatureExtractor(config(VIDEO), path, layer=3)
    with pytest.raises(ValueError, match='--pool cls needs a class token'):
        FeatureExtractor(config(VIDEO), path, pool='cls')
    with pytest.raises(ValueError, match='width: checkpoint 24, model 48'):
        FeatureExtractor(config(dict(VIDEO, embed_dims=48)), path)
    with pytest.raises(ValueError, match='got VisionTransformer: change the type'):
        FeatureExtractor(config(dict(VIDEO, type='mmaction.VisionTransformer')), path)
    with pytest.raises(ValueError, match='a backbone and a data_preprocessor, got X without'):
        FeatureExtractor(Config(dict(model=dict(type='X'))), path)
