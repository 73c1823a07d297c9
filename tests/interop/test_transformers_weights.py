"""Weights to and from the real Transformers classes: the outputs decide, at every block."""
import amd_mm  # noqa: F401, I001  mends what transformers 5 needs beside the hosts

import json
import logging

import pytest
import tiny_vits
import torch
from safetensors.torch import load_file, save_file
from tiny_vits import assert_same, block_outputs, pixels
from transformers import (
    ViTConfig,
    ViTForImageClassification,
    ViTMAEConfig,
    ViTMAEForPreTraining,
    ViTMAEModel,
    VideoMAEConfig,
    VideoMAEForPreTraining,
    VideoMAEForVideoClassification,
    VideoMAEModel,
)

from amd_mm.checkpoints import load_encoder, read_state_dict
from amd_mm.export.convert import Options
from amd_mm.export.files import convert_checkpoint
from amd_mm.tokens import TokenMask

_VIT = dict(image_size=32, patch_size=8, hidden_size=24, num_hidden_layers=2, layer_norm_eps=1e-6,
            num_attention_heads=3, intermediate_size=96)
_DECODER = dict(decoder_hidden_size=16, decoder_num_hidden_layers=2,
                decoder_num_attention_heads=2, decoder_intermediate_size=64)
_VIDEO = dict(**_VIT, **_DECODER, num_frames=4, tubelet_size=2)
CLASSES = {
    'VideoMAEModel': lambda: VideoMAEModel(VideoMAEConfig(**_VIDEO, use_mean_pooling=False)),
    'VideoMAEForPreTraining': lambda: VideoMAEForPreTraining(
        VideoMAEConfig(**_VIDEO, use_mean_pooling=False)),
    'VideoMAEForVideoClassification': lambda: VideoMAEForVideoClassification(
        VideoMAEConfig(**_VIDEO, num_labels=5)),
    'ViTMAEModel': lambda: ViTMAEModel(ViTMAEConfig(**_VIT, mask_ratio=0.)),
    'ViTMAEForPreTraining': lambda: ViTMAEForPreTraining(ViTMAEConfig(**_VIT, **_DECODER)),
    'ViTForImageClassification': lambda: ViTForImageClassification(
        ViTConfig(**_VIT, num_labels=5)),
}
NAMES = sorted(CLASSES)


def build(name: str, seed: int = 3) -> torch.nn.Module:
    model = CLASSES[name]()
    if name != 'ViTMAEForPreTraining':
        return tiny_vits.randomise(model, seed)
    # A fresh model has zeros in the decoder's table, the published ones sines and cosines.
    model.decoder.initialize_weights(16)
    table = model.decoder.decoder_pos_embed.clone()
    tiny_vits.randomise(model, seed)
    model.decoder.decoder_pos_embed.data.copy_(table)
    return model


def is_video(name: str) -> bool:
    return name.startswith('Video')


def modality(name: str) -> str:
    return 'video' if is_video(name) else 'image'


@torch.no_grad()
def their_blocks(model: torch.nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    """Output of every block and of the norm behind them, all tokens in raster order."""
    model = getattr(model, model.base_model_prefix, model)
    if images.ndim == 5:
        images = images.transpose(1, 2)
    extra = {}
    if type(model).__name__ == 'ViTMAEModel':
        # With increasing noise and nothing masked, its shuffle keeps the order.
        model.config.mask_ratio = model.embeddings.config.mask_ratio = 0.
        extra['noise'] = torch.arange(16.).expand(len(images), -1)
    out = model(images, output_hidden_states=True, **extra)
    return [*out.hidden_states[1:3], out.last_hidden_state]


def our_backbone(name: str) -> torch.nn.Module:
    if name == 'VideoMAEForVideoClassification':
        return tiny_vits.video_vit(seed=9, use_mean_pooling=True)
    return (tiny_vits.video_vit if is_video(name) else tiny_vits.image_vit)(seed=9)


@pytest.mark.parametrize('generation', ['on disk', 'in memory'])
@pytest.mark.parametrize('name', NAMES)
def test_loading_keeps_outputs_at_every_block(name: str, generation: str, tmp_path) -> None:
    model = build(name)
    model.save_pretrained(tmp_path)
    if generation == 'in memory':
        (tmp_path / 'model.safetensors').unlink()
        torch.save(model.state_dict(), tmp_path / 'pytorch_model.bin')
    backbone = our_backbone(name)
    load_encoder(backbone, tmp_path)
    images = pixels(modality(name))
    assert_same(block_outputs(backbone, images), their_blocks(model, images))


@pytest.mark.parametrize('name', ['VideoMAEModel', 'ViTMAEModel'])
@pytest.mark.parametrize('bias', ['q', 'v'])
def test_parity_notices_a_bias_read_as_zero(name: str, bias: str, tmp_path) -> None:
    model = build(name)
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / 'model.safetensors')
    (key,) = (k for k in weights if '.0.' in k and k.endswith(
        {'q': ('q_bias', 'query.bias'), 'v': ('v_bias', 'value.bias')}[bias]))
    weights[key].zero_()
    save_file(weights, tmp_path / 'model.safetensors')
    backbone = our_backbone(name)
    load_encoder(backbone, tmp_path)
    images = pixels(modality(name))
    with pytest.raises(AssertionError, match='block 1'):
        assert_same(block_outputs(backbone, images), their_blocks(model, images))


@pytest.mark.parametrize('name', NAMES)
def test_there_and_back_is_bit_equal(name: str, tmp_path) -> None:
    build(name).save_pretrained(tmp_path / 'theirs')
    convert_checkpoint(tmp_path / 'theirs', tmp_path / 'ours.pth', Options('amd_mm'))
    convert_checkpoint(tmp_path / 'ours.pth', tmp_path / 'again', Options(
        'transformers', num_heads=3, decoder_heads=2, source_frames=4 if is_video(name) else None,
        source_size=32))
    model, info = CLASSES[name]().__class__.from_pretrained(
        tmp_path / 'again', output_loading_info=True)
    assert not any(info.values()), info
    original = build(name).state_dict()
    for key, value in model.state_dict().items():
        # The decoder's fixed table is computed anew; numpy and torch round differently.
        tolerance = 1e-6 if 'decoder_pos_embed' in key else 0
        torch.testing.assert_close(value, original[key], rtol=0, atol=tolerance)
    config = json.loads((tmp_path / 'again/config.json').read_text())
    assert config['architectures'] == [name]


@pytest.mark.parametrize('kind', ['video', 'image'])
@pytest.mark.parametrize('part', ['encoder', 'all'])
def test_students_open_without_a_word_about_keys(kind: str, part: str, tmp_path, caplog) -> None:
    ours = tiny_vits.pretraining(kind)
    torch.save({'state_dict': ours.state_dict()}, tmp_path / 'student.pth')
    convert_checkpoint(tmp_path / 'student.pth', tmp_path / 'out', Options(
        'transformers', part=part, num_heads=3, decoder_heads=2,
        source_frames=4 if kind == 'video' else None, source_size=32))
    name = json.loads((tmp_path / 'out/config.json').read_text())['architectures'][0]
    with caplog.at_level(logging.WARNING):
        logging.getLogger('transformers').propagate = True
        model, info = type(CLASSES[name]()).from_pretrained(
            tmp_path / 'out', output_loading_info=True)
    assert not any(info.values()), info
    assert not [r for r in caplog.records if 'transformers' in r.name], caplog.text
    images = pixels(kind)
    assert_same(block_outputs(ours.backbone, images), their_blocks(model.eval(), images))
    assert 'no training config' in (tmp_path / 'out/README.md').read_text()


@torch.no_grad()
def test_video_decoder_predicts_the_same_pixels(tmp_path) -> None:
    model = build('VideoMAEForPreTraining')
    model.save_pretrained(tmp_path / 'theirs')
    ours = tiny_vits.pretraining('video', seed=9)
    convert_checkpoint(tmp_path / 'theirs', tmp_path / 'ours.pth', Options('amd_mm'))
    ours.load_state_dict(read_state_dict(tmp_path / 'ours.pth'))
    clips = pixels('video')
    masked = torch.zeros(2, 32, dtype=torch.bool)
    masked[:, torch.randperm(32, generator=torch.Generator().manual_seed(0))[:24]] = True
    mask = TokenMask(*(which.nonzero()[:, 1].reshape(2, -1)
                       for which in (~masked, masked & False, masked, masked)))
    latent, _ = ours.backbone.encode(clips, mask.visible)
    # Transformers fixes the epsilon of this norm at 1e-5.
    ours.decoder.norm.eps = 1e-5
    want = model(clips.transpose(1, 2), masked).logits
    assert_same([ours.decoder(latent, mask)], [want])


@torch.no_grad()
def test_image_decoder_predicts_the_same_pixels(tmp_path) -> None:
    model = build('ViTMAEForPreTraining')
    model.save_pretrained(tmp_path / 'theirs')
    ours = tiny_vits.pretraining('image', seed=9)
    convert_checkpoint(tmp_path / 'theirs', tmp_path / 'ours.pth', Options('amd_mm'))
    ours.load_state_dict(read_state_dict(tmp_path / 'ours.pth'))
    images = pixels('image')
    noise = torch.rand(2, 16, generator=torch.Generator().manual_seed(0))
    order = noise.argsort(1)
    mask = TokenMask(order[:, :4], order[:, :0], order[:, 4:], order[:, 4:])
    latent, _ = ours.backbone.encode(images, mask.visible)
    want = model(images, noise=noise).logits
    want = want.gather(1, mask.masked[..., None].expand(-1, -1, want.shape[2]))
    assert_same([ours.decoder(latent, mask)], [want])


@torch.no_grad()
@pytest.mark.parametrize('name', ['VideoMAEForVideoClassification', 'ViTForImageClassification'])
def test_classifiers_give_the_same_scores(name: str, tmp_path) -> None:
    from amd_mm.checkpoints.reading import read_checkpoint
    from amd_mm.export.convert import convert_weights
    from amd_mm.export.onnx_file import build_model
    model = build(name)
    model.save_pretrained(tmp_path)
    ours = build_model(convert_weights(read_checkpoint(tmp_path), Options('amd_mm'))).eval()
    images = pixels(modality(name))
    if is_video(name):
        ours.backbone.fc_norm.eps = 1e-5
    want = model(images.transpose(1, 2) if is_video(name) else images).logits
    assert_same([ours(images)], [want])
