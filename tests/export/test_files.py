"""Exports: what is written where, ONNX by its outputs, model cards by their facts."""
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tiny_vits
import torch
from golden import golden
from teachers import two_teachers_config
from tiny_vits import image_vit, pixels, pretraining, video_vit
from unsafe_files import serving

from amd_mm.checkpoints import load_pretrained, read_state_dict
from amd_mm.checkpoints.reading import Checkpoint
from amd_mm.export import onnx_file
from amd_mm.export.convert import Options, convert_weights
from amd_mm.export.files import convert_checkpoint
from amd_mm.registry import MODELS

CFG = '''
model = dict(
    type='amd_mm.AMD',
    backbone=dict(type='amd_mm.VideoVisionTransformer', num_heads=3, img_size=32, num_frames=4),
    decoder=dict(type='amd_mm.PixelDecoder', num_heads=2),
    teacher=dict(type='amd_mm.FrozenTeacher', checkpoint='videomae_vit-l.pth',
                 backbone=dict(type='amd_mm.VideoVisionTransformer')))
train_cfg = dict(max_epochs=200, type='EpochBasedTrainLoop')
optim_wrapper = dict(optimizer=dict(lr=0.0012, type='AdamW'))
randomness = dict(seed=7)
custom = __import__('os').system('touch executed')
'''


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """A checkpoint as MMEngine's Runner saves it."""
    path = tmp_path / 'epoch_200.pth'
    torch.save({'state_dict': pretraining('video', amd=True).state_dict(),
                'meta': {'cfg': CFG, 'epoch': 200}}, path)
    return path


def test_the_config_in_the_checkpoint_gives_heads_and_sizes(student: Path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    convert_checkpoint(student, tmp_path / 'out', Options('transformers', part='encoder'))
    config = json.loads((tmp_path / 'out/config.json').read_text())
    assert (config['num_attention_heads'], config['image_size'], config['num_frames']) == (3, 32, 4)
    assert config['layer_norm_eps'] == 1e-6 and not config['use_mean_pooling']
    assert not (tmp_path / 'executed').exists()


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
def test_a_student_of_several_teachers_is_exported(tmp_path: Path) -> None:
    entries = """[
        dict(name='image', teacher=dict(type='amd_mm.TimmTeacher', architecture='vit_x',
                                        checkpoint='a.pth')),
        dict(name='video', teacher=dict(type='amd_mm.FrozenTeacher', checkpoint='b.pth',
                                        backbone=dict(type='amd_mm.VideoVisionTransformer')))]"""
    start, end = CFG.index('dict(type=\'amd_mm.FrozenTeacher'), CFG.index(')\ntrain_cfg')
    text = f'{CFG[:start]}{entries}{CFG[end:]}'
    torch.save({'state_dict': MODELS.build(two_teachers_config()).state_dict(),
                'meta': {'cfg': text, 'epoch': 1}}, tmp_path / 'epoch_1.pth')
    convert_checkpoint(tmp_path / 'epoch_1.pth', tmp_path / 'out',
                       Options('transformers', part='encoder'))
    card = (tmp_path / 'out/README.md').read_text()
    for fact in ('Teacher image: `vit_x`', 'Teacher image checkpoint: `a.pth`',
                 'Teacher video: `amd_mm.VideoVisionTransformer`',
                 'Teacher video checkpoint: `b.pth`',
                 'dropped: necks.wide.'):
        assert fact in card, fact


def test_the_model_card_says_what_was_trained(student: Path, tmp_path: Path) -> None:
    convert_checkpoint(student, tmp_path / 'out', Options('transformers', part='encoder'))
    card = (tmp_path / 'out/README.md').read_text()
    for fact in ('epoch_200.pth', 'amd_mm.AMD', 'videomae_vit-l.pth', "'max_epochs': 200", 'AdamW',
                 'Seed: `7`', 'from_pretrained', CFG.strip(), 'dropped: decoder.mask_token',
                 'Video encoder of width 24, depth 2, patch 8, 32 pixels, tubelet 2, 4 frames'):
        assert fact in card, fact


def test_the_config_travels_on(student: Path, tmp_path: Path) -> None:
    convert_checkpoint(student, tmp_path / 'a.pth', Options('mmaction2', part='encoder'))
    convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'out', Options('transformers'))
    assert 'amd_mm.AMD' in (tmp_path / 'out/README.md').read_text()


def test_unknown_heads_are_asked_for(tmp_path: Path) -> None:
    torch.save(golden('amd.student.'), tmp_path / 'a.pth')
    options = dict(source_frames=8, source_size=32)
    with pytest.raises(ValueError, match='nor is width 24 one of .*--num-heads'):
        convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'b', Options(
            'transformers', part='encoder', **options))
    assert not (tmp_path / 'b').exists()
    weights = {key: value for key, value in golden('amd.student.').items()
               if 'generator' not in key and 'projection' not in key}
    torch.save(weights, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='Decoder heads: .*width 16.*--decoder-heads'):
        convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'b', Options(
            'transformers', num_heads=3, **options))


@pytest.mark.parametrize(('state', 'message'), [
    ({'head.weight': 1, 'decoder.mask_token': 1}, 'a decoder and a head'),
    ({'encoder.fc_norm.weight': 1}, 'needs a classifier beside it')])
def test_no_class_for_these_weights(state: dict, message: str) -> None:
    from types import SimpleNamespace

    from amd_mm.export.transformers_folder import _class_of
    with pytest.raises(ValueError, match=message):
        _class_of(SimpleNamespace(canonical=state, net=SimpleNamespace(modality='video')))


def test_nothing_is_written_on_a_dry_run(student: Path, tmp_path: Path) -> None:
    result = convert_checkpoint(student, tmp_path / 'b.pth', Options('amd_mm'), dry_run=True)
    assert result.weights and sorted(p.name for p in tmp_path.iterdir()) == ['epoch_200.pth']


def test_in_place(student: Path) -> None:
    before = read_state_dict(student)
    before = {name: value.clone() for name, value in before.items()}
    with pytest.raises(ValueError, match='--force'):
        convert_checkpoint(student, student, Options('amd_mm'))
    convert_checkpoint(student, student, Options('amd_mm'), force=True)
    after = read_state_dict(student)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in after)


def run(path: Path, images: torch.Tensor) -> torch.Tensor:
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return torch.from_numpy(session.run(None, {'pixels': images.numpy()})[0])


@torch.no_grad()
@pytest.mark.parametrize('modality', ['video', 'image'])
def test_onnx_of_a_pretrained_encoder(modality: str, tmp_path: Path) -> None:
    model = pretraining(modality)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'a.pth')
    options = dict(source_frames=4) if modality == 'video' else {}
    convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'a.onnx', Options(
        'onnx', part='encoder', num_heads=3, source_size=32, **options))
    images = pixels(modality, batch=5)
    have = run(tmp_path / 'a.onnx', images)
    tiny_vits.assert_same([have], tiny_vits.block_outputs(model.backbone, images)[-1:], 1e-4)
    card = (tmp_path / 'a.onnx.md').read_text()
    assert 'onnxruntime against torch: largest difference' in card


@torch.no_grad()
@pytest.mark.parametrize('modality', ['video', 'image'])
def test_onnx_of_a_finetuned_classifier(modality: str, tmp_path: Path) -> None:
    head = tiny_vits.randomise(torch.nn.Linear(24, 5))
    if modality == 'video':
        backbone, name = video_vit(use_mean_pooling=True), 'cls_head.fc_cls.'
    else:
        backbone, name = image_vit(final_norm=False, out_type='avg_featmap'), 'head.fc.'
    state = {f'backbone.{key}': value for key, value in backbone.state_dict().items()}
    state |= {name + key: value for key, value in head.state_dict().items()}
    torch.save({'state_dict': state}, tmp_path / 'a.pth')
    options = dict(source_frames=4) if modality == 'video' else {}
    convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'a.onnx', Options(
        'onnx', num_heads=3, source_size=32, **options))
    images = pixels(modality, batch=3)
    features = backbone(images)
    want = head(features[-1] if isinstance(features, tuple) else features)
    tiny_vits.assert_same([run(tmp_path / 'a.onnx', images)], [want], 1e-4)


def test_onnx_that_differs_is_not_written(student: Path, tmp_path: Path, monkeypatch) -> None:
    class Wrong:

        def __init__(self, *args, **kwargs) -> None:
            pass

        def run(self, names, inputs: dict) -> list:
            return [np.ones((len(inputs['pixels']), 32, 24), np.float32)]

    monkeypatch.setattr(onnxruntime, 'InferenceSession', Wrong)
    with pytest.raises(ValueError, match='within 0.0001, but they differ by .*Nothing was written'):
        convert_checkpoint(student, tmp_path / 'a.onnx', Options('onnx', part='encoder'))
    assert sorted(p.name for p in tmp_path.iterdir()) == ['epoch_200.pth']


def test_onnx_is_for_encoders(student: Path, tmp_path: Path) -> None:
    assert onnx_file.TOLERANCE == 1e-4
    with pytest.raises(ValueError, match='--part encoder'):
        convert_checkpoint(student, tmp_path / 'a.onnx', Options('onnx'))


@torch.no_grad()
@pytest.mark.parametrize('modality', ['video', 'image'])
def test_rows_columns_and_channels_travel_on(modality: str, tmp_path: Path) -> None:
    """Also where a rectangle has as many tokens as the square that it was trained on."""
    make = dict(video=video_vit, image=image_vit)[modality]
    model = make(in_channels=1)
    torch.save({'state_dict': {f'backbone.{name}': value
                               for name, value in model.state_dict().items()}}, tmp_path / 'a.pth')
    said = dict(source_frames=4, source_size=32) if modality == 'video' else {}
    convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth',
                       Options('amd_mm', img_size=(16, 64), **said))
    convert_checkpoint(tmp_path / 'b.pth', tmp_path / 'b.onnx', Options('onnx', num_heads=3))
    rectangle = make(seed=5, in_channels=1, img_size=(16, 64))
    load_pretrained(rectangle, tmp_path / 'b.pth', 'backbone.')
    assert torch.equal(rectangle.pos_embed, read_state_dict(tmp_path / 'b.pth')[
        'backbone.pos_embed'])
    images = torch.randn(3, 1, *rectangle.grid.input_size)
    tiny_vits.assert_same([run(tmp_path / 'b.onnx', images)],
                          tiny_vits.block_outputs(rectangle, images)[-1:], 1e-4)
    assert f'(batch, 1, {"frames, " * (modality == "video")}height' in (
        tmp_path / 'b.onnx.md').read_text()


def test_transformers_classes_take_rectangles_where_they_can(tmp_path: Path) -> None:
    torch.save(video_vit(img_size=(16, 64)).state_dict(), tmp_path / 'a.pth')
    convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'a', Options(
        'transformers', num_heads=3, source_frames=4, source_size=(16, 64)))
    assert json.loads((tmp_path / 'a/config.json').read_text())['image_size'] == [16, 64]
    torch.save(image_vit(img_size=(16, 24)).state_dict(), tmp_path / 'b.pth')
    with pytest.raises(ValueError, match='ViTMAEModel takes square.* 16 x 24 pixels.*--to timm'):
        convert_checkpoint(tmp_path / 'b.pth', tmp_path / 'b', Options(
            'transformers', num_heads=3, source_size=(16, 24)))


@torch.no_grad()
@pytest.mark.parametrize(('modality', 'changes'), [
    ('video', dict(qkv_bias=False)), ('image', dict(qkv_bias=False)),
    ('video', dict(init_values=.1)), ('image', dict(final_norm=False)),
    ('video', dict(use_mean_pooling=None))])
def test_onnx_of_what_is_unusual(modality: str, changes: dict, tmp_path: Path) -> None:
    """Without biases, with layer scale; without the norm that Transformers has not by default."""
    norm = changes != dict(use_mean_pooling=None)
    model = (video_vit if modality == 'video' else image_vit)(**(changes if norm else {}))
    if not norm:
        model.drop_final_norm()
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'a.pth')
    options = dict(source_frames=4) if modality == 'video' else {}
    convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'a.onnx', Options(
        'onnx', num_heads=3, source_size=32, **options))
    images = pixels(modality)
    tiny_vits.assert_same([run(tmp_path / 'a.onnx', images)],
                          tiny_vits.block_outputs(model, images)[-1:], 1e-4)


def test_onnx_of_what_our_encoder_cannot_hold_is_refused(tmp_path: Path) -> None:
    """A norm after the last block and one after pooling."""
    state = dict(video_vit().state_dict())
    state |= {'fc_norm.weight': state['norm.weight'], 'fc_norm.bias': state['norm.bias']}
    torch.save(state, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='exactly, but not in the model: norm.bias, norm.weight'):
        convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'a.onnx', Options(
            'onnx', num_heads=3, source_size=32, source_frames=4))


def test_onnx_without_a_class_token_is_refused(tmp_path: Path) -> None:
    state = convert_weights(Checkpoint(dict(image_vit().state_dict())), Options('timm')).weights
    del state['cls_token']
    state['pos_embed'] = state['pos_embed'][:, 1:]
    torch.save(state, tmp_path / 'a.pth')
    for dry_run in (True, False):
        with pytest.raises(ValueError, match='has a class token, but the source has none'):
            convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'a.onnx', Options(
                'onnx', num_heads=3), dry_run=dry_run)
    assert not (tmp_path / 'a.onnx').exists()


def test_a_source_may_stand_at_an_address(student: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    options = Options('amd_mm', part='encoder')
    with serving(tmp_path) as address:
        convert_checkpoint(f'{address}/epoch_200.pth', tmp_path / 'a.safetensors', options)
    convert_checkpoint(student, tmp_path / 'b.safetensors', options)
    one, other = (read_state_dict(tmp_path / f'{name}.safetensors') for name in 'ab')
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
