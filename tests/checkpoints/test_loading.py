"""Strict loading: what fits is loaded bit for bit, what does not is said."""
import argparse
from pathlib import Path

import pytest
import tiny_vits
import torch
from golden import golden
from tiny_vits import image_vit, pretraining, video_vit

from amd_mm.checkpoints import load_encoder, load_pretrained, read_state_dict
from amd_mm.export.convert import Options
from amd_mm.export.files import convert_checkpoint
from amd_mm.registry import MODELS


def save(path: Path, state: dict, key: str = 'state_dict') -> Path:
    torch.save({key: state}, path)
    return path


def assert_equal(have: torch.nn.Module, want: torch.nn.Module) -> None:
    want = want.state_dict()
    assert have.state_dict().keys() == want.keys()
    assert all(torch.equal(value, want[name]) for name, value in have.state_dict().items())


@pytest.mark.parametrize('modality', ['video', 'image'])
@pytest.mark.parametrize('layout', ['amd_mm', 'videomae', 'mae', 'mmpretrain', 'mmaction2',
                                    'timm', 'transformers'])
@pytest.mark.parametrize('part', ['encoder', 'all'])
def test_reads_every_layout(layout: str, modality: str, part: str, tmp_path: Path) -> None:
    wrong = {'videomae': 'image', 'mmaction2': 'image', 'mae': 'video', 'mmpretrain': 'video',
             'timm': 'video'}
    model = pretraining(modality)
    source = save(tmp_path / 'ours.pth', model.state_dict())
    options = Options(layout, part=part, num_heads=3, decoder_heads=2, source_size=32,
                      source_frames=4 if modality == 'video' else None)
    no_place = (layout == 'mmaction2' or layout == 'timm') and part == 'all'
    if wrong.get(layout) == modality or no_place:
        with pytest.raises(ValueError, match=f'for an encoder of {modality}s, got'
                           if wrong.get(layout) == modality else 'has none for decoder'):
            convert_checkpoint(source, tmp_path / 'theirs', options)
        assert not (tmp_path / 'theirs').exists()
        return
    convert_checkpoint(source, tmp_path / 'theirs', options)
    backbone = (video_vit if modality == 'video' else image_vit)(seed=9)
    load_encoder(backbone, tmp_path / 'theirs')
    assert_equal(backbone, model.backbone)
    # And back, everything.
    convert_checkpoint(tmp_path / 'theirs', tmp_path / 'again.pth', Options('amd_mm'))
    again, want = read_state_dict(tmp_path / 'again.pth'), model.state_dict()
    missing = want.keys() - again.keys()
    assert again.keys() <= want.keys()
    assert all(name.startswith('decoder.') for name in missing - {'backbone.pos_embed'})
    assert not missing or part == 'encoder' or missing == {'backbone.pos_embed'}
    assert all(torch.equal(again[name], want[name]) for name in again)


@pytest.mark.parametrize(('make', 'changes', 'message'), [
    (video_vit, dict(embed_dims=12), 'width: checkpoint 24, model 12'),
    (video_vit, dict(depth=3), 'depth: checkpoint 2, model 3'),
    (video_vit, dict(depth=1), 'depth: checkpoint 2, model 1'),
    (video_vit, dict(patch_size=16), 'patch size: checkpoint 8, model 16'),
    (video_vit, dict(tubelet_size=1), 'tubelet size: checkpoint 2, model 1'),
    (video_vit, dict(num_frames=8), r'positions: checkpoint 32, model 64.*\(1, 32, 24\) against'),
    (video_vit, dict(img_size=64), r'positions: checkpoint 32, model 128'),
    (image_vit, dict(width=12), 'width: checkpoint 24, model 12'),
    (image_vit, dict(depth=3), 'depth: checkpoint 2, model 3'),
    (image_vit, dict(patch_size=16), 'patch size: checkpoint 8, model 16'),
    (image_vit, dict(img_size=64), 'image size: checkpoint 32, model 64'),
])
def test_says_what_does_not_fit(make, changes: dict, message: str, tmp_path: Path) -> None:
    path = save(tmp_path / 'a.pth', {f'backbone.{name}': value for name, value in
                                     make().state_dict().items()})
    other = make(seed=9, **changes)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        load_encoder(other, path)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_the_other_modality_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / 'a.pth', image_vit().state_dict())
    with pytest.raises(ValueError, match='must be an encoder of videos.*one of images'):
        load_encoder(video_vit(), path)


def test_training_arguments_in_the_file_are_compared(tmp_path: Path) -> None:
    state = {f'encoder.{name}': value for name, value in golden('amd.teacher.').items()}
    torch.save({'model': state, 'args': argparse.Namespace(num_frames=16, input_size=32)},
               tmp_path / 'a.pth')
    backbone = video_vit(embed_dims=32, depth=6, num_heads=4, num_frames=8)
    backbone.drop_final_norm()
    with pytest.raises(ValueError, match='frame count: checkpoint 16, model 8'):
        load_encoder(backbone, tmp_path / 'a.pth')


def test_a_key_too_many_or_too_few(tmp_path: Path) -> None:
    state = {f'backbone.{name}': value for name, value in video_vit().state_dict().items()}
    path = save(tmp_path / 'a.pth', state | {'backbone.blocks.0.surprise': torch.ones(1)})
    with pytest.raises(ValueError, match='keys are unknown: backbone.blocks.0.surprise'):
        load_encoder(video_vit(), path)
    del state['backbone.blocks.1.attn.q_bias']
    with pytest.raises(ValueError, match='missing .*encoder.blocks.1.q_bias'):
        load_encoder(video_vit(), save(path, state))


def test_biases_that_a_file_lacks_everywhere_are_no_zeros(tmp_path: Path) -> None:
    state = {name: value for name, value in video_vit().state_dict().items()
             if not name.endswith(('q_bias', 'v_bias'))}
    with pytest.raises(ValueError, match='not in the checkpoint: blocks.0.attn.q_bias'):
        load_encoder(video_vit(), save(tmp_path / 'a.pth', state))
    load_encoder(video_vit(qkv_bias=False), tmp_path / 'a.pth')


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16, torch.float64])
def test_half_precision_is_fine(dtype: torch.dtype, tmp_path: Path) -> None:
    want = video_vit()
    state = {name: value.to(dtype) for name, value in want.state_dict().items()}
    backbone = video_vit(seed=9)
    load_encoder(backbone, save(tmp_path / 'a.pth', state))
    for name, value in backbone.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, state[name].float())


def test_integers_are_refused_and_nan_is_warned_of(tmp_path: Path) -> None:
    state = video_vit().state_dict()
    whole = state | {'norm.weight': torch.ones(24, dtype=torch.int8)}
    with pytest.raises(ValueError, match='norm.weight: torch.int8'):
        load_encoder(video_vit(), save(tmp_path / 'a.pth', whole))
    state['blocks.1.mlp.layers.1.weight'][3, 4] = float('nan')
    with pytest.warns(UserWarning, match=r'not a finite number.*blocks.1.mlp.layers.1.weight'):
        load_encoder(video_vit(), save(tmp_path / 'a.pth', state))


class TestPretrained:

    def init(self, path: Path, make=video_vit, **changes) -> torch.nn.Module:
        """As a config does it: through ``init_cfg`` and ``init_weights``."""
        model = make(seed=9, **changes)
        model.init_cfg = dict(type='Pretrained', checkpoint=str(path), prefix='backbone.')
        model.init_weights()
        return model

    @pytest.mark.parametrize('modality', ['video', 'image'])
    def test_from_pretraining_to_pooling(self, modality: str, tmp_path: Path) -> None:
        source = pretraining(modality, amd=True)
        path = save(tmp_path / 'a.pth', source.state_dict())
        if modality == 'video':
            model = self.init(path, use_mean_pooling=True)
            own_norm = 'fc_norm'
        else:
            model = self.init(path, image_vit, final_norm=False, out_type='avg_featmap')
            own_norm = 'ln2'
        want = source.backbone.state_dict()
        for name, value in model.state_dict().items():
            assert name.startswith(own_norm) or torch.equal(value, want[name]), name

    @pytest.mark.parametrize(('extra', 'message'), [
        ('backbone.blocks.0.surprise', 'keys are unknown: blocks.0.surprise'),
        ('teacher.blocks.0.weight', 'found teacher.blocks.0.weight')])
    def test_stops_at_other_keys(self, extra: str, message: str, tmp_path: Path) -> None:
        state = pretraining('video').state_dict() | {extra: torch.ones(1)}
        with pytest.raises(ValueError, match=message):
            self.init(save(tmp_path / 'a.pth', state))

    def test_stops_at_missing_keys(self, tmp_path: Path) -> None:
        state = pretraining('video').state_dict()
        del state['backbone.patch_embed.projection.bias']
        with pytest.raises(ValueError, match='not in the checkpoint: patch_embed.projection.bias'):
            self.init(save(tmp_path / 'a.pth', state))

    def test_stops_at_another_shape_and_prefix(self, tmp_path: Path) -> None:
        path = save(tmp_path / 'a.pth', pretraining('video').state_dict())
        with pytest.raises(ValueError, match='depth: checkpoint 2, model 1'):
            self.init(path, depth=1)
        path = save(tmp_path / 'a.pth', golden('amd.teacher.'))
        with pytest.raises(ValueError, match="must start with 'backbone.', but they start with bl"):
            self.init(path)

    def test_without_prefix_any_layout_is_read(self, tmp_path: Path) -> None:
        path = save(tmp_path / 'a.pth', golden('amd.student.'), 'model')
        model = tiny_vits.video_vit(depth=4, num_frames=8, use_mean_pooling=True)
        load_pretrained(model, path)
        want = golden('amd.student.encoder.blocks.3.mlp.fc2.weight')['']
        assert torch.equal(model.blocks[3].mlp.layers[1].weight, want)


@pytest.mark.parametrize('name', ['amd.student.', 'amd.teacher.'])
def test_a_teacher_with_or_without_final_norm(name: str, tmp_path: Path) -> None:
    """What ``model.teacher.checkpoint=FILE`` runs: blocks are read, no norm behind them."""
    weights = golden(name)
    path = save(tmp_path / 'a.pth', weights, 'model')
    width, depth, heads = (24, 4, 3) if name == 'amd.student.' else (32, 6, 4)
    config = dict(
        type='amd_mm.FrozenTeacher', taps=(2, depth), checkpoint=str(path), backbone=dict(
            type='amd_mm.VideoVisionTransformer', img_size=32, patch_size=8, embed_dims=width,
            depth=depth, num_heads=heads, num_frames=8, use_mean_pooling=False))
    teacher = MODELS.build(config)
    last = f'blocks.{depth - 1}.attn.v_bias'
    want = next(value for key, value in weights.items()
                if key.removeprefix('encoder.') == last)
    assert torch.equal(teacher.backbone.blocks[-1].attn.v_bias, want)


def test_a_missing_final_norm_is_warned_of(tmp_path: Path) -> None:
    path = save(tmp_path / 'a.pth', video_vit().state_dict())
    model = video_vit(seed=9, use_mean_pooling=True)
    before = model.fc_norm.weight.clone()
    with pytest.warns(UserWarning, match='has no fc_norm.bias, fc_norm.weight, which the model'):
        load_encoder(model, path)
    assert torch.equal(model.fc_norm.weight, before)
