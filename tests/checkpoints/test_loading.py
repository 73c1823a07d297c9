"""Strict loading: what fits is loaded bit for bit, what does not is said."""
import argparse
import json
import warnings
from pathlib import Path

import pytest
import tiny_vits
import torch
from golden import golden
from teachers import two_teachers_config
from tiny_vits import image_vit, pretraining, video_vit

from amd_mm.checkpoints import fill_encoder, load_pretrained, read_state_dict
from amd_mm.checkpoints.reading import Checkpoint
from amd_mm.export.convert import Options, convert_weights
from amd_mm.export.files import convert_checkpoint
from amd_mm.positions import (
    fixed_positions,
    resize_positions,
    sincos_positions,
    space_time_positions,
)
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
    fill_encoder(backbone, tmp_path / 'theirs')
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
        fill_encoder(other, path)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_the_other_modality_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / 'a.pth', image_vit().state_dict())
    with pytest.raises(ValueError, match='must be an encoder of videos.*one of images'):
        fill_encoder(video_vit(), path)


def test_training_arguments_in_the_file_are_compared(tmp_path: Path) -> None:
    state = {f'encoder.{name}': value for name, value in golden('amd.teacher.').items()}
    torch.save({'model': state, 'args': argparse.Namespace(num_frames=16, input_size=32)},
               tmp_path / 'a.pth')
    backbone = video_vit(embed_dims=32, depth=6, num_heads=4, num_frames=8)
    backbone.drop_final_norm()
    with pytest.raises(ValueError, match='frame count: checkpoint 16, model 8'):
        fill_encoder(backbone, tmp_path / 'a.pth')


def test_a_key_too_many_or_too_few(tmp_path: Path) -> None:
    state = {f'backbone.{name}': value for name, value in video_vit().state_dict().items()}
    path = save(tmp_path / 'a.pth', state | {'backbone.blocks.0.surprise': torch.ones(1)})
    with pytest.raises(ValueError, match='keys are unknown: backbone.blocks.0.surprise'):
        fill_encoder(video_vit(), path)
    del state['backbone.blocks.1.attn.q_bias']
    with pytest.raises(ValueError, match='missing .*encoder.blocks.1.q_bias'):
        fill_encoder(video_vit(), save(path, state))


@pytest.mark.parametrize('prefix', ['backbone.', None])
@pytest.mark.parametrize('vit', [image_vit, video_vit])
def test_a_student_loads_without_its_necks(vit, prefix: str | None, tmp_path: Path) -> None:
    """Of one or several teachers, with layers of any kind."""
    want, backbone = vit(), vit(seed=9)
    names = ('neck.projections.0.2.weight', 'neck.generator_projections.0.weight',
             'neck.standardizations.0.matrix', 'necks.image.projections.0.weight')
    state = {f'backbone.{name}': value for name, value in want.state_dict().items()}
    save(tmp_path / 'a.pth', state | {name: torch.ones(2, 2) for name in names})
    load_pretrained(backbone, tmp_path / 'a.pth', prefix)
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, want.state_dict()[name])


def test_biases_that_a_file_lacks_everywhere_are_no_zeros(tmp_path: Path) -> None:
    state = {name: value for name, value in video_vit().state_dict().items()
             if not name.endswith(('q_bias', 'v_bias'))}
    with pytest.raises(ValueError, match='not in the checkpoint: blocks.0.attn.q_bias'):
        fill_encoder(video_vit(), save(tmp_path / 'a.pth', state))
    fill_encoder(video_vit(qkv_bias=False), tmp_path / 'a.pth')


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16, torch.float64])
def test_half_precision_is_fine(dtype: torch.dtype, tmp_path: Path) -> None:
    want = video_vit()
    state = {name: value.to(dtype) for name, value in want.state_dict().items()}
    backbone = video_vit(seed=9)
    fill_encoder(backbone, save(tmp_path / 'a.pth', state))
    for name, value in backbone.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, state[name].float())


def test_integers_are_refused_and_nan_is_warned_of(tmp_path: Path) -> None:
    state = video_vit().state_dict()
    whole = state | {'norm.weight': torch.ones(24, dtype=torch.int8)}
    with pytest.raises(ValueError, match='norm.weight: torch.int8'):
        fill_encoder(video_vit(), save(tmp_path / 'a.pth', whole))
    state['blocks.1.mlp.layers.1.weight'][3, 4] = float('nan')
    with pytest.warns(UserWarning, match=r'not a finite number.*blocks.1.mlp.layers.1.weight'):
        fill_encoder(video_vit(), save(tmp_path / 'a.pth', state))


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

    @pytest.mark.filterwarnings('ignore:The teacher has random weights')
    def test_necks_of_several_teachers_are_left_out(self, tmp_path: Path) -> None:
        source = MODELS.build(two_teachers_config())
        path = save(tmp_path / 'a.pth', source.state_dict())
        found = tiny_vits.video_vit(use_mean_pooling=True)
        load_pretrained(found, path)  # as any file
        for model in (self.init(path, use_mean_pooling=True), found):
            want = source.backbone.state_dict()
            for name, value in model.state_dict().items():
                assert name.startswith('fc_norm') or torch.equal(value, want[name]), name

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
        fill_encoder(model, path)
    assert torch.equal(model.fc_norm.weight, before)


def own_code(path: Path, state: dict, **changes) -> Path:
    """A folder with code of its own, as VideoMAE V2 is published in."""
    config = dict(img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_frames=4,
                  qk_scale=None, layer_norm_eps=1e-6, cos_attn=False)
    path.mkdir()
    (path / 'config.json').write_text(json.dumps(dict(
        model_type='VideoMAEv2_Base', model_config=config | changes)))
    torch.save({f'model.{name}': value for name, value in state.items()},
               path / 'pytorch_model.bin')
    return path


def videomae_weights(backbone: torch.nn.Module) -> dict:
    return convert_weights(Checkpoint(dict(backbone.state_dict())), Options('videomae')).weights


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(num_heads=6), 'attention heads: checkpoint 6, model 3'),
    (dict(num_frames=8), 'frame count: checkpoint 8, model 4'),
    (dict(qk_scale=.5), 'scale of attention logits: checkpoint 0.5, model 0.353553'),
    (dict(layer_norm_eps=1e-3), 'norm epsilon: checkpoint 0.001, model 1e-06'),
    (dict(act_layer='nn.ReLU'), 'checkpoint relu, model gelu.*No setting of the model changes'),
    (dict(cos_attn=True), 'cosine attention')])
def test_folders_with_code_of_their_own_are_read(changes: dict, message: str, tmp_path: Path):
    source = video_vit()
    path = own_code(tmp_path / 'theirs', videomae_weights(source), **changes)
    with pytest.raises(ValueError, match=message):
        fill_encoder(video_vit(seed=9), path)


def test_what_the_folder_says_holds_for_the_file_in_it(tmp_path: Path) -> None:
    path = own_code(tmp_path / 'theirs', videomae_weights(video_vit()), num_heads=6)
    with pytest.raises(ValueError, match='attention heads: checkpoint 6, model 3'):
        fill_encoder(video_vit(seed=9), path / 'pytorch_model.bin')


@pytest.mark.parametrize('ending', ['pth', 'safetensors'])
def test_a_converted_file_says_what_its_source_said(ending: str, tmp_path: Path) -> None:
    source = own_code(tmp_path / 'theirs', videomae_weights(video_vit()), num_heads=6, qk_scale=.5,
                      layer_norm_eps=1e-3)
    path = tmp_path / f'a.{ending}'
    convert_checkpoint(source, path, Options('amd_mm'))
    with pytest.raises(ValueError, match=(
            'attention heads: checkpoint 6, model 3; norm epsilon: checkpoint 0.001, model 1e-06; '
            'scale of attention logits: checkpoint 0.5, model 0.353553')):
        fill_encoder(video_vit(seed=9), path)
    # A bare file cannot say it, and its readers would compute something else.
    with pytest.raises(ValueError, match='norm epsilon: model 0.001, usual 1e-06.*--to amd_mm or '):
        convert_checkpoint(source, tmp_path / 'b.pth', Options('videomae'))


def test_pixels_of_a_source_that_are_not_imagenets(tmp_path: Path) -> None:
    cfg = 'model = dict(data_preprocessor=dict(mean=[127.5] , std=[127.5]), backbone=dict())'
    torch.save({'state_dict': pretraining('video').state_dict(), 'meta': {'cfg': cfg}},
               tmp_path / 'a.pth')
    with pytest.warns(UserWarning, match='mean 127.5 and deviation 127.5 .*data_preprocessor the'):
        load_pretrained(video_vit(seed=9), tmp_path / 'a.pth', 'backbone.')


def difference(one: torch.nn.Module, other: torch.nn.Module, modality: str) -> float:
    """Of the features of the last block, relative, as a norm."""
    have, want = (tiny_vits.block_outputs(net, tiny_vits.pixels(modality))[-2]
                  for net in (one, other))
    return float((have - want).norm() / want.norm())


def test_unsaid_heads_that_are_unusual_are_warned_of(tmp_path: Path) -> None:
    """ViT-S with the default of 12 heads: every shape fits, and the features are others."""
    small = dict(embed_dims=384, depth=1)
    source = video_vit(num_heads=6, **small)
    path = save(tmp_path / 'a.pth', source.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        fill_encoder(video_vit(seed=9, num_heads=6, **small), path)
    model = video_vit(seed=9, num_heads=12, **small)
    with pytest.warns(UserWarning, match='attention heads: model 12, usual 6'):
        fill_encoder(model, path)
    assert difference(model, source, 'video') > .05


@pytest.mark.parametrize('modality', ['video', 'image'])
def test_another_epsilon_can_be_set(modality: str, tmp_path: Path) -> None:
    make = video_vit if modality == 'video' else image_vit
    other = dict(norm_cfg=dict(type='LN', eps=1.))
    source = make(**other)
    result = convert_checkpoint(save(tmp_path / 'a.pth', source.state_dict()),
                                tmp_path / 'b', Options('transformers', num_heads=3, **(
                                    dict(source_size=32, source_frames=4)
                                    if modality == 'video' else {})))
    config = json.loads((tmp_path / 'b/config.json').read_text())
    assert 'norm epsilon 1e-06' in ' '.join(result.notes) and config['layer_norm_eps'] == 1e-6
    (tmp_path / 'b/config.json').write_text(json.dumps(config | {'layer_norm_eps': 1.}))
    with pytest.raises(ValueError, match='norm epsilon: checkpoint 1, model 1e-06'):
        fill_encoder(make(seed=9), tmp_path / 'b')
    model = make(seed=9, **other)
    fill_encoder(model, tmp_path / 'b')
    assert difference(model, source, modality) < 1e-6
    assert difference(make(), source, modality) > 1e-3


class TestAspect:
    """A table of 6 x 8 positions is none of 8 x 6, though it has as many."""
    WIDE, HIGH = dict(img_size=(48, 64)), dict(img_size=(64, 48))

    @pytest.mark.parametrize('learnt', [True, False])
    def test_images(self, learnt: bool, tmp_path: Path) -> None:
        """Fixed tables tell rows and columns by themselves; learnt ones have to say them."""
        source = image_vit(**self.WIDE)
        if not learnt:
            source.pos_embed.data.copy_(sincos_positions(source.grid, 24, 1))
        path = save(tmp_path / 'a.pth', source.state_dict())
        message = ('must say the rows and columns of its 49 positions' if learnt else
                   'image size: checkpoint 48 x 64, model 64 x 48')
        with pytest.raises(ValueError, match=message):
            fill_encoder(image_vit(seed=9, **self.HIGH), path)
        if learnt:
            with pytest.raises(ValueError, match='--source-size ROWSxCOLUMNS'):
                fill_encoder(image_vit(seed=9, **self.WIDE), path)
            # The remedy.
            convert_checkpoint(path, tmp_path / 'b.pth', Options(
                'amd_mm', part='encoder', source_size=(48, 64)))
            path = tmp_path / 'b.pth'
        model = image_vit(seed=9, **self.WIDE)
        fill_encoder(model, path)
        assert_equal(model, source)

    def test_clips(self, tmp_path: Path) -> None:
        """Their fixed table has one axis, and is the same for both: it tells nothing."""
        source = video_vit(**self.WIDE)
        path = save(tmp_path / 'a.pth', source.state_dict())
        with pytest.raises(ValueError, match='must say the rows and columns'):
            fill_encoder(video_vit(seed=9, **self.HIGH), path)
        cfg = 'model = dict(backbone=dict(img_size=(48, 64), num_frames=4))'
        torch.save({'state_dict': source.state_dict(), 'meta': {'cfg': cfg}}, path)
        with pytest.raises(ValueError, match='image size: checkpoint 48 x 64, model 64 x 48'):
            fill_encoder(video_vit(seed=9, **self.HIGH), path)
        model = video_vit(seed=9, **self.WIDE)
        fill_encoder(model, path)
        assert_equal(model, source)

    def test_fine_tuning_turns_no_table(self, tmp_path: Path) -> None:
        path = save(tmp_path / 'a.pth', image_vit(**self.WIDE).state_dict())
        with pytest.raises(ValueError, match='must say the rows and columns'):
            load_pretrained(image_vit(seed=9, **self.HIGH), path)


class TestSpaceTime:
    """MVD's files hold no positions, and its table is another than VideoMAE's."""

    def network(self, path: Path, **args) -> tuple[torch.nn.Module, Path]:
        """A fine-tuned network of MVD's and its file."""
        source = video_vit(embed_dims=32, num_heads=4, use_mean_pooling=True)
        weights = {name: value for name, value in videomae_weights(source).items()
                   if name != 'pos_embed'}
        torch.save({'model': weights} | ({'args': argparse.Namespace(**args)} if args else {}),
                   path)
        source.pos_embed.copy_(space_time_positions((2, 4, 4), 32))
        return source, path

    def empty(self) -> torch.nn.Module:
        return video_vit(seed=9, embed_dims=32, num_heads=4, use_mean_pooling=True)

    @pytest.mark.parametrize('said', [True, False])
    def test_is_not_loaded_as_videomae(self, said: bool, tmp_path: Path) -> None:
        args = dict(num_frames=4, input_size=32, use_cls_token=False) if said else {}
        source, path = self.network(tmp_path / 'mvd.pth', **args)
        model = self.empty()
        if said:
            with pytest.raises(ValueError, match='fixed positions: checkpoint space-time, model '
                                                 "sequence.*They are MVD's"):
                fill_encoder(model, path)
            options = {}
        else:
            with pytest.warns(UserWarning, match='one of MVD.*--positions space-time'):
                fill_encoder(model, path)
            assert difference(model, source, 'video') > .05
            options = dict(positions='space-time', source_size=32, source_frames=4)
        convert_checkpoint(path, tmp_path / 'a.pth', Options('amd_mm', part='encoder', **options))
        model = self.empty()
        fill_encoder(model, tmp_path / 'a.pth')
        assert difference(model, source, 'video') < 1e-6

    def test_does_not_go_where_videomaes_table_is_computed(self, tmp_path: Path) -> None:
        _, path = self.network(tmp_path / 'mvd.pth', num_frames=4, input_size=32,
                               use_cls_token=False)
        with pytest.raises(ValueError, match='of time and space. Choose --to amd_mm'):
            convert_checkpoint(path, tmp_path / 'b', Options(
                'transformers', part='encoder', num_heads=4))


def test_positions_that_are_computed_for_another_size_are_warned_of(tmp_path: Path) -> None:
    """As of a released file in a teacher of 4 frames and 32 pixels; its remedy is one."""
    tall = dict(img_size=112, patch_size=56, num_frames=8, tubelet_size=4)
    weights = {name: value for name, value in videomae_weights(video_vit(**tall)).items()
               if name != 'pos_embed'}
    path = save(tmp_path / 'a.pth', weights, 'model')
    model = video_vit(seed=9, **tall)
    with pytest.warns(UserWarning, match=(
            'computes them for 8 frames of 112 x 112 pixels; were they for 16 frames of 224.*'
            '--img-size 112 --num-frames 8`')):
        fill_encoder(model, path)
    assert torch.equal(model.pos_embed, fixed_positions('video', (2, 2, 2), 24, 0))
    convert_checkpoint(path, tmp_path / 'b.pth', Options(
        'amd_mm', part='encoder', img_size=112, num_frames=8))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        fill_encoder(model, tmp_path / 'b.pth')
    assert torch.equal(model.pos_embed, resize_positions(
        fixed_positions('video', (4, 4, 4), 24, 0), (4, 4, 4), (2, 2, 2)))


def test_the_remedy_for_another_size_is_one(tmp_path: Path) -> None:
    source = pretraining('video')
    path = save(tmp_path / 'a.pth', source.state_dict())
    model = video_vit(seed=9, img_size=48, num_frames=8)
    with pytest.raises(ValueError, match='amd-mm convert SRC DST --part encoder --img-size 48 '
                                         '--num-frames 8`'):
        fill_encoder(model, path)
    convert_checkpoint(path, tmp_path / 'b.pth', Options(
        'amd_mm', part='encoder', img_size=48, num_frames=8, source_size=32, source_frames=4))
    fill_encoder(model, tmp_path / 'b.pth')
    with pytest.raises(ValueError, match="Change the config to the checkpoint's values, or"):
        fill_encoder(video_vit(depth=1, img_size=48, num_frames=8), path)
