"""Encoders of timm and Transformers, exported and held to the libraries' own outputs."""
import amd_mm  # noqa: F401, I001  mends torchvision, which timm imports

import numpy as np
import pytest
import tiny_vits
import timm
import torch
import transformers
from clips import REAL
from skimage import data

from amd_mm.deploy import Form, Trial, Wish, export, open_model, read_subject

PICTURES = ('coffee', 'cat', 'rocket')


@pytest.fixture
def pictures(tmp_path):
    from PIL import Image

    paths = [tmp_path / f'{name}.png' for name in PICTURES]
    for name, path in zip(PICTURES, paths, strict=True):
        Image.fromarray(getattr(data, name)()).resize((64, 48)).save(path)
    return paths


def normalised(subject, pixels) -> torch.Tensor:
    values = (torch.tensor(pixels[None]).float() - torch.tensor(subject.mean)
              ) / torch.tensor(subject.std)
    return values.movedim(-1, 1)


SMALL = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=48,
             image_size=32, patch_size=8)
FOLDERS = {
    'dinov2': (transformers.Dinov2Config, transformers.Dinov2Model, dict(mlp_ratio=2)),
    'dinov3': (transformers.DINOv3ViTConfig, transformers.DINOv3ViTModel,
               dict(num_register_tokens=2)),
    'clip': (transformers.CLIPVisionConfig, transformers.CLIPVisionModel, {}),
    'siglip': (transformers.SiglipVisionConfig, transformers.SiglipVisionModel, {}),
}


@pytest.mark.parametrize(('name', 'target'), [
    *((name, 'onnx') for name in FOLDERS), ('dinov3', 'openvino'), ('dinov3', 'pt2')])
def test_a_folder_of_transformers(name, target, tmp_path, pictures):
    config, network, more = FOLDERS[name]
    model = tiny_vits.randomise(network(config(**SMALL, **more)))
    model.save_pretrained(tmp_path / 'folder')
    subject = read_subject(tmp_path / 'folder', Wish())
    export(subject, Form(target, dynamic_batch=True), Trial(pictures), tmp_path / 'out')
    pixels = subject.read(pictures[0])
    with torch.no_grad():
        want = model(normalised(subject, pixels)).last_hidden_state
        if name == 'clip':
            # CLIP's tokens have no norm; ours is of all.
            want = model.vision_model.post_layernorm(want) if hasattr(
                model, 'vision_model') else model.post_layernorm(want)
    registers = more.get('num_register_tokens', 0)
    want = torch.cat([want[:, :1], want[:, 1 + registers:]], 1)[0].numpy()
    have = open_model(tmp_path / 'out').scores(pixels)
    np.testing.assert_allclose(have, want, rtol=1e-3, atol=1e-4)


def test_a_network_of_timm(tmp_path, pictures):
    model = tiny_vits.randomise(timm.create_model('test_vit', num_classes=0))
    torch.save(model.state_dict(), tmp_path / 'theirs.pth')
    subject = read_subject(tmp_path / 'theirs.pth', Wish(architecture='test_vit'))
    assert subject.size == (160, 160) and subject.mean == (127.5, 127.5, 127.5)
    export(subject, Form('onnx'), Trial(pictures), tmp_path / 'out')
    pixels = subject.read(pictures[0])
    with torch.no_grad():
        want = model.forward_features(normalised(subject, pixels))[0].numpy()
    np.testing.assert_allclose(open_model(tmp_path / 'out').scores(pixels), want, rtol=1e-3,
                               atol=1e-4)


def test_clips_of_transformers(tmp_path):
    model = tiny_vits.randomise(transformers.VJEPA2Model(transformers.VJEPA2Config(
        crop_size=32, patch_size=8, frames_per_clip=4, tubelet_size=2, hidden_size=24,
        num_hidden_layers=2, num_attention_heads=2, pred_hidden_size=24, pred_num_hidden_layers=1,
        pred_num_attention_heads=2)))
    model.save_pretrained(tmp_path / 'folder')
    subject = read_subject(tmp_path / 'folder', Wish())
    export(subject, Form('onnx'), Trial([REAL / 'carphone_pristine.mp4']), tmp_path / 'out')
    clip = subject.read(REAL / 'carphone_pristine.mp4')
    with torch.no_grad():
        want = model(normalised(subject, clip).transpose(1, 2), skip_predictor=True)
    np.testing.assert_allclose(open_model(tmp_path / 'out').scores(clip),
                               want.last_hidden_state[0].numpy(), rtol=1e-3, atol=1e-4)
