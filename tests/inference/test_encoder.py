"""Features from a file alone, against those that its config and the extractor give."""
import numpy as np
import pytest
import tiny_vits
import torch
from clips import write_video
from encoder_files import save
from mmengine.config import Config
from PIL import Image

from amd_mm.inference import FeatureExtractor, Input, load_encoder, read_clip, read_image

STATISTICS = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


def config(modality: str) -> Config:
    """As a recipe says it."""
    preprocessor = dict(type='mmaction.ActionDataPreprocessor', format_shape='NCTHW') if (
        modality == 'video') else dict(type='mmengine.ImgDataPreprocessor', bgr_to_rgb=True)
    return Config(dict(model=dict(
        backbone=tiny_vits.pretraining_config(modality)['backbone'],
        data_preprocessor=dict(preprocessor, **STATISTICS))))


@pytest.fixture(params=['image', 'video'])
def case(request, tmp_path):
    """An encoder by its file, the extractor of its config, a file and the same in memory."""
    is_video = request.param == 'video'
    net = tiny_vits.video_vit(seed=3) if is_video else tiny_vits.image_vit(seed=3)
    path = save(net, tmp_path / 'net.pth')
    extractor = FeatureExtractor(config(request.param), path)
    if is_video:
        file = write_video(tmp_path / 'a.mp4', 4, size=(32, 32))
        item = read_clip(file, (4, 32, 32))
    else:
        file = tmp_path / 'a.png'
        pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(file)
        item = read_image(file, (32, 32))
    return load_encoder(path), extractor, file, item.pixels


def test_a_path_gives_what_the_extractor_gives(case):
    encoder, extractor, file, pixels = case
    want = extractor([Input(pixels, (), 0.)])[0]
    assert torch.equal(encoder.features(file), want)
    assert torch.equal(encoder.features([file, str(file)]), torch.stack([want, want]))


def test_every_layout_and_type_of_the_same_pixels_gives_the_same(case):
    encoder, _, file, pixels = case
    want = encoder.features(file)
    last = np.moveaxis(pixels.numpy(), 0, -1)
    for one in (pixels, pixels.numpy(), last, torch.from_numpy(last), pixels / 255.,
                last / np.float32(255), (pixels / 255.).double()):
        torch.testing.assert_close(encoder.features(one), want, rtol=1e-5, atol=1e-6)
        batch = torch.stack([torch.as_tensor(one)] * 2)
        torch.testing.assert_close(encoder(batch)[1], want, rtol=1e-5, atol=1e-6)


def test_a_larger_picture_in_memory_is_fitted_as_one_in_a_file(tmp_path):
    encoder = load_encoder(save(tiny_vits.image_vit(seed=3), tmp_path / 'net.pth'))
    pixels = np.random.default_rng(0).integers(0, 256, (50, 71, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    assert torch.equal(encoder.features(pixels), encoder.features(tmp_path / 'a.png'))


def test_it_is_a_module(case):
    encoder, *_ = case
    assert isinstance(encoder, torch.nn.Module) and not encoder.backbone.training
    assert sum(p.numel() for p in encoder.parameters()) == sum(
        p.numel() for p in encoder.backbone.parameters())


def test_another_size_layer_and_pooling_are_asked_for(tmp_path):
    path = save(tiny_vits.video_vit(seed=3), tmp_path / 'net.pth')
    encoder = load_encoder(path, size=48, frames=8, layer=1, pool='none')
    clip = np.zeros((8, 48, 48, 3), np.uint8)
    assert encoder.features(clip).shape == (4 * 6 * 6, 24)
    with pytest.raises(ValueError, match='frames must be of an encoder of clips, got 8'):
        load_encoder(save(tiny_vits.image_vit(), tmp_path / 'image.pth'), frames=8)


@pytest.mark.parametrize('x, message', [
    (np.zeros((32, 32), np.uint8), r'must be \(H, W, 3\) or \(3, H, W\), .* got \(32, 32\)'),
    (np.zeros((4, 32, 32), np.uint8), r'got \(4, 32, 32\)'),
    (np.zeros((3, 32, 32), np.int64), r'must be uint8 \(0-255\) or floats \(0-1\), got int64'),
    (np.full((3, 32, 32), 2.), r'must be from 0 to 1, got 2 to 2; give pixels'),
    (np.full((3, 32, 32), np.nan), 'must be from 0 to 1, got nan'),
    (3, 'must be a path, an array, a tensor or a list of them, got int'),
    ([], 'at least one sample, got an empty list'),
    ('nowhere.png', 'nowhere.png: must be a picture, but')])
def test_what_is_no_input_is_refused(tmp_path, x, message):
    encoder = load_encoder(save(tiny_vits.image_vit(), tmp_path / 'net.pth'))
    with pytest.raises(ValueError, match=message):
        encoder.features(x)
