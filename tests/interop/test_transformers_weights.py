"""Weights to and from the real Transformers classes: the outputs decide, at every block."""
import amd_mm  # noqa: F401, I001  mends what transformers 5 needs beside the hosts

import json
import logging

import onnxruntime
import pytest
import tiny_vits
import torch
from safetensors.torch import load_file, save_file
from tiny_vits import assert_same, block_outputs, pixels
from timm.models import VisionTransformer
from transformers import (
    AutoImageProcessor,
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

from amd_mm.checkpoints import fill_encoder, read_state_dict
from amd_mm.export.convert import Options, report
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
    fill_encoder(backbone, tmp_path)
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
    fill_encoder(backbone, tmp_path)
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


def converted(name: str, tmp_path, **changes) -> tuple[torch.nn.Module, torch.nn.Module]:
    """A model of theirs with other settings, and what it is after ours and back."""
    model = CLASSES[name]()
    config = model.config
    config.update(changes)
    model = tiny_vits.randomise(type(model)(config), seed=3)
    model.save_pretrained(tmp_path / 'theirs')
    convert_checkpoint(tmp_path / 'theirs', tmp_path / 'out', Options('transformers'))
    again, info = type(model).from_pretrained(tmp_path / 'out', output_loading_info=True)
    assert not any(info.values()), info
    return model, again.eval()


@pytest.mark.parametrize(('name', 'changes'), [
    ('VideoMAEModel', dict(qv_bias=False)), ('VideoMAEModel', dict(use_mean_pooling=True)),
    ('VideoMAEForVideoClassification', dict(qv_bias=False)), ('ViTMAEModel', dict(qkv_bias=False)),
    ('ViTForImageClassification', dict(qkv_bias=False)),
    ('VideoMAEModel', dict(hidden_act='relu', layer_norm_eps=1.)),
    ('ViTMAEModel', dict(hidden_act='gelu_pytorch_tanh', num_attention_heads=2))])
def test_what_is_unusual_stays_so(name: str, changes: dict, tmp_path) -> None:
    model, again = converted(name, tmp_path, **changes)
    images = pixels(modality(name))
    assert_same(their_blocks(again, images), their_blocks(model, images), 1e-6)


@pytest.mark.parametrize(('name', 'changes', 'message'), [
    ('VideoMAEModel', dict(hidden_act='relu'), 'activation: checkpoint relu, model gelu'),
    ('ViTMAEModel', dict(hidden_act='quick_gelu'), 'activation: checkpoint quick_gelu, model gelu'),
    ('ViTMAEModel', dict(layer_norm_eps=.1), 'norm epsilon: checkpoint 0.1, model 1e-06'),
    ('VideoMAEModel', dict(num_attention_heads=6), 'attention heads: checkpoint 6, model 3')])
def test_what_would_compute_something_else_is_refused(name: str, changes: dict, message: str,
                                                      tmp_path) -> None:
    model = CLASSES[name]()
    model.config.update(changes)
    tiny_vits.randomise(type(model)(model.config)).save_pretrained(tmp_path / 'theirs')
    with pytest.raises(ValueError, match=message):
        fill_encoder(our_backbone(name), tmp_path / 'theirs')
    if 'hidden_act' in changes:
        with pytest.raises(ValueError, match='cannot be told of activation: .*--to transformers'):
            convert_checkpoint(tmp_path / 'theirs', tmp_path / 'a.pth', Options('amd_mm'))


@pytest.mark.parametrize('name', ['VideoMAEModel', 'ViTMAEModel'])
def test_an_epsilon_of_the_library_is_no_difference(name: str, tmp_path) -> None:
    """Published folders say 1e-12 of networks trained with 1e-6: features within rounding."""
    model = CLASSES[name]()
    model.config.update(dict(layer_norm_eps=1e-12))
    model = tiny_vits.randomise(type(model)(model.config))
    model.save_pretrained(tmp_path)
    backbone = our_backbone(name)
    fill_encoder(backbone, tmp_path)
    images = pixels(modality(name))
    assert_same(block_outputs(backbone, images), their_blocks(model, images), 1e-5)


@torch.no_grad()
@pytest.mark.parametrize('name', ['VideoMAEForVideoClassification', 'ViTForImageClassification'])
def test_a_classifier_can_be_used_as_it_is(name: str, tmp_path) -> None:
    """Class names and pixels as in training, of a checkpoint that MMEngine saved."""
    video = is_video(name)
    backbone = tiny_vits.video_vit(use_mean_pooling=True) if video else tiny_vits.image_vit()
    head = tiny_vits.randomise(torch.nn.Linear(24, 3))
    state = {f'backbone.{key}': value for key, value in backbone.state_dict().items()}
    state |= {('cls_head.fc_cls.' if video else 'head.fc.') + key: value
              for key, value in head.state_dict().items()}
    cfg = ('model = dict(backbone=dict(num_heads=3, img_size=32, num_frames=4, embed_dims=24), '
           'data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[63.75, 63.75, 63.75]))')
    torch.save({'state_dict': state, 'meta': dict(
        cfg=cfg, dataset_meta=dict(classes=('ape', 'bee', 'cat')))}, tmp_path / 'a.pth')
    # By way of a file of ours, which carries it on.
    convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth', Options('amd_mm'))
    convert_checkpoint(tmp_path / 'b.pth', tmp_path / 'out', Options('transformers'))
    model = type(CLASSES[name]()).from_pretrained(tmp_path / 'out').eval()
    assert model.config.id2label == {0: 'ape', 1: 'bee', 2: 'cat'}
    assert model.config.label2id == {'ape': 0, 'bee': 1, 'cat': 2}
    processor = AutoImageProcessor.from_pretrained(tmp_path / 'out')
    frame = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    made = processor([frame.numpy()] * 4 if video else frame.numpy(), return_tensors='pt',
                     input_data_format='channels_first').pixel_values
    want = ((frame - 127.5) / 63.75)[None]
    torch.testing.assert_close(made, want.expand(1, 4, 3, 32, 32) if video else want)
    outputs = backbone(made.transpose(1, 2) if video else made)
    features = outputs if video else outputs[-1]
    if video:
        # Transformers fixes the epsilon of this norm at 1e-5.
        backbone.fc_norm.eps = 1e-5
        features = backbone(made.transpose(1, 2))
    assert_same([model(made).logits], [head(features)])
    assert 'Classes: 0 ape, 1 bee, 2 cat' in (tmp_path / 'out/README.md').read_text()


@torch.no_grad()
def test_a_default_folder_of_videomae_goes_to_onnx(tmp_path) -> None:
    """Mean pooling is the default, with which the network has no norm after the last block."""
    model = tiny_vits.randomise(VideoMAEModel(VideoMAEConfig(**_VIDEO)))
    assert model.layernorm is None
    model.save_pretrained(tmp_path / 'theirs')
    convert_checkpoint(tmp_path / 'theirs', tmp_path / 'a.onnx', Options('onnx'))
    session = onnxruntime.InferenceSession(str(tmp_path / 'a.onnx'))
    clips = pixels('video')
    have = torch.from_numpy(session.run(None, {'pixels': clips.numpy()})[0])
    assert_same([have], [model(clips.transpose(1, 2)).last_hidden_state], 1e-4)


@pytest.mark.parametrize(('drop', 'message'), [
    ('fc_norm.', 'VideoMAEForVideoClassification must be filled exactly, but the source lacks '
                 'encoder.fc_norm.bias, encoder.fc_norm.weight and has nothing besides'),
    ('cls_head.fc_cls.bias', 'the source lacks head.bias and has nothing'),
    ('v_bias', 'the source lacks encoder.blocks.0.v_bias and')])
def test_what_the_library_would_make_up_is_refused(drop: str, message: str, tmp_path) -> None:
    backbone = tiny_vits.video_vit(use_mean_pooling=True)
    state = {f'backbone.{key}': value for key, value in backbone.state_dict().items()}
    state |= {'cls_head.fc_cls.weight': torch.ones(3, 24), 'cls_head.fc_cls.bias': torch.ones(3)}
    torch.save({key: value for key, value in state.items() if drop not in key}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=message):
        convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'out', Options(
            'transformers', num_heads=3, source_size=32, source_frames=4))
    assert not (tmp_path / 'out').exists()


def test_what_is_assumed_is_said_to_be(tmp_path) -> None:
    """What the converter writes without having read it."""
    torch.save(tiny_vits.video_vit(embed_dims=384, num_heads=12, depth=1).state_dict(),
               tmp_path / 'a.pth')
    convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'out', Options(
        'transformers', source_size=32, source_frames=4))
    assert ('assumed, because the source does not say: attention heads 6, activation gelu, norm '
            'epsilon 1e-06') in (tmp_path / 'out/README.md').read_text()


def test_assumed_statistics_are_said_to_be(tmp_path) -> None:
    build('ViTForImageClassification').save_pretrained(tmp_path / 'theirs')
    result = convert_checkpoint(tmp_path / 'theirs', tmp_path / 'out', Options('transformers'))
    assert "ImageNet's pixel statistics: the source does not say" in ' '.join(report(result))
    config = json.loads((tmp_path / 'out/preprocessor_config.json').read_text())
    assert config['image_mean'] == pytest.approx([.485, .456, .406])


def test_no_class_without_a_class_token(tmp_path) -> None:
    model = VisionTransformer(img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3,
                              num_classes=0, class_token=False, global_pool='')
    torch.save(model.state_dict(), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='have a class token, but the source has none.*--to timm'):
        convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'out', Options(
            'transformers', num_heads=3))
