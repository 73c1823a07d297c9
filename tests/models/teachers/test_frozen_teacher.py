import json

import pytest
import torch
import torch.nn.functional as F
from golden import amd_video, load_golden
from mmengine.model import ExponentialMovingAverage
from tiny_vits import (
    HEADS,
    assert_same,
    pixels,
    pretraining,
    pretraining_config,
    randomise,
    video_vit,
)
from unsafe_files import serving

from amd_mm.export.convert import Options
from amd_mm.export.files import convert_checkpoint
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenGrid

BACKBONE = dict(type='amd_mm.VideoVisionTransformer', img_size=16, patch_size=8, num_frames=4,
                embed_dims=24, depth=4, num_heads=3, use_mean_pooling=False)


def build(**settings) -> torch.nn.Module:
    return MODELS.build(dict(
        dict(type='amd_mm.FrozenTeacher', backbone=BACKBONE, taps=(1, 3), checkpoint=None),
        **settings))


def test_missing_checkpoint_says_where_teachers_come_from():
    config = dict(type='amd_mm.FrozenTeacher', backbone=BACKBONE, taps=(1, 3))
    with pytest.raises(ValueError, match='model.teacher.checkpoint=FILE.*MCG-NJU/VideoMAE'):
        MODELS.build(config)


def test_random_weights_have_to_be_asked_for_and_warn():
    with pytest.warns(UserWarning, match='random weights'):
        build()


@pytest.mark.parametrize('taps', [(5, 2), (2, 5)])
def test_taps_are_block_numbers(taps):
    with pytest.raises(ValueError, match='Taps of the teacher .* up to its depth 4'):
        build(taps=taps)


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
def test_keeps_only_the_blocks_it_reads_and_never_trains():
    teacher = build()
    assert teacher.backbone.depth == 3
    assert not any(name.startswith('backbone.norm') for name in teacher.state_dict())
    teacher.train()
    assert not any(module.training for module in teacher.modules())
    assert not any(p.requires_grad for p in teacher.parameters())
    clips = torch.randn(1, 3, 4, 16, 16, requires_grad=True)
    features = teacher(clips, torch.tensor([[0, 3, 5]]))
    assert [f.shape for f in features] == [(1, 3, 24)] * 2
    assert not any(f.requires_grad for f in features)


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
def test_gives_features_in_the_order_asked_for():
    teacher, other = build(taps=(3, 1, 3)), build()
    other.load_state_dict(teacher.state_dict())
    clips, ids = torch.randn(1, 3, 4, 16, 16), torch.tensor([[0, 3, 5]])
    first, third = other(clips, ids)
    assert all(map(torch.equal, teacher(clips, ids), (third, first, third)))


@pytest.mark.parametrize('modality, layout', [
    ('image', 'mae'), ('image', 'amd_mm'), ('video', 'videomae'), ('video', 'amd_mm')])
@torch.no_grad()
def test_predicts_what_the_pretrained_whole_does(modality, layout, tmp_path):
    whole, config = pretraining(modality), pretraining_config(modality)
    torch.save(dict(state_dict=whole.state_dict()), tmp_path / 'amd_mm.pth')
    if layout != 'amd_mm':
        convert_checkpoint(tmp_path / 'amd_mm.pth', tmp_path / f'{layout}.pth', Options(
            target=layout))
    teacher = build(backbone=config['backbone'], taps=(2, 1), decoder=config['decoder'],
                    checkpoint=str(tmp_path / f'{layout}.pth'))
    images = pixels(modality)
    mask = whole.mask_generator(torch.tensor([1, 2]), images)
    latent, features = whole.backbone.encode(images, mask.visible, (2, 1))
    found, predicted = teacher.predict(images, mask)
    assert_same([*found, predicted], [*features, whole.decoder(latent, mask)])
    assert not any(p.requires_grad for p in teacher.parameters())


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
def test_is_outside_the_student():
    model = load_golden(amd_video())
    before = {k: v.clone() for k, v in model.teacher.state_dict().items()}
    assert not any('teacher' in name for name in model.state_dict())
    owned = {id(p) for p in model.parameters()}
    assert not any(id(p) in owned for p in model.teacher.parameters())
    model.init_weights()
    model.train()
    assert all(torch.equal(before[k], v) for k, v in model.teacher.state_dict().items())
    model.double()
    assert all(p.dtype == torch.float64 for p in model.teacher.parameters())


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
def test_copies_of_the_student_share_it():
    model = amd_video()
    average = ExponentialMovingAverage(model)
    assert average.module.teacher is model.teacher
    assert average.module.backbone is not model.backbone


class TestPixelStatistics:
    """A teacher sees what it was trained on, whatever the student is given."""
    IMAGENET = dict(input_mean=[123.675, 116.28, 103.53], input_std=[58.395, 57.12, 57.375])
    HALF = dict(mean=[127.5] * 3, std=[127.5] * 3)

    @pytest.fixture
    def folder(self, tmp_path):
        """A teacher's file, and the preprocessor's beside it where a test writes one."""
        source = video_vit()
        convert_checkpoint(_save(tmp_path / 'a.pth', source), tmp_path / 'folder', Options(
            'transformers', num_heads=3, source_size=32, source_frames=4))
        assert not (tmp_path / 'folder/preprocessor_config.json').exists()
        return source, tmp_path / 'folder'

    def build(self, path, **settings) -> torch.nn.Module:
        backbone = dict(type='amd_mm.VideoVisionTransformer', img_size=32, patch_size=8,
                        embed_dims=24, depth=2, num_heads=3, num_frames=4, use_mean_pooling=False)
        return MODELS.build(dict(type='amd_mm.FrozenTeacher', taps=(1, 2), checkpoint=str(path),
                                 backbone=backbone) | settings)

    def error(self, teacher: torch.nn.Module, source: torch.nn.Module) -> float:
        """Of its features against those of pixels normalised with 0.5 and 0.5."""
        pixels = 255 * torch.rand(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
        mean, std = (torch.tensor(self.IMAGENET[name]).reshape(3, 1, 1, 1)
                     for name in ('input_mean', 'input_std'))
        tokens = torch.arange(0, 32, 2).expand(2, -1)
        have = teacher((pixels - mean) / std, tokens)[-1]
        want = source.encode(pixels / 127.5 - 1, tokens, (2, ))[1][0]
        return float((have - want).norm() / want.norm())

    @torch.no_grad()
    def test_from_the_file(self, folder):
        source, path = folder
        (path / 'preprocessor_config.json').write_text(
            json.dumps(dict(image_mean=[.5] * 3, image_std=[.5] * 3)))
        teacher = self.build(path, **self.IMAGENET)
        assert self.error(teacher, source) < 1e-5
        assert 'pixel_scale' not in teacher.state_dict()
        with pytest.raises(ValueError, match='mean: checkpoint 127.5, 127.5, 127.5, model 0,'):
            self.build(path, mean=[0.] * 3, std=[255.] * 3, **self.IMAGENET)

    @torch.no_grad()
    def test_from_a_setting(self, folder):
        source, path = folder
        assert self.error(self.build(path, **self.HALF, **self.IMAGENET), source) < 1e-5
        # What was seen.
        plain = self.build(path, **self.IMAGENET)
        assert plain.pixel_scale is None and self.error(plain, source) > .1

    def test_unsaid_and_unusual_is_warned_of(self, folder):
        with pytest.warns(UserWarning, match="127.5, 127.5 .*not ImageNet's. Set model.teach"):
            self.build(folder[1], input_mean=[127.5] * 3, input_std=[127.5] * 3)

    @pytest.mark.filterwarnings('ignore:The teacher has random weights')
    def test_an_input_of_which_nothing_is_known_is_taken_as_it_is(self):
        """The pipeline may normalise, of which a model knows nothing."""
        with pytest.warns(UserWarning, match='127.5 .*is taken as it is. Normalise in'):
            teacher = build(**self.HALF)
        assert teacher.pixel_scale is None

    @pytest.mark.parametrize(('settings', 'message'), [
        (dict(mean=[1., 2., 3.]), 'mean and std belong together'),
        (dict(mean=[1., 2.], std=[1.]), 'one mean and one positive deviation a channel'),
        (dict(mean=[0.], std=[0.]), 'std of FrozenTeacher must be .* above 0'),
        (dict(mean=[0., 1.], std=[1., 1.], input_mean=[0.], input_std=[2.]),
         r'one a channel, 3, got \(0.0, 1.0\)')])
    @pytest.mark.filterwarnings('ignore:The teacher has random weights')
    def test_one_a_channel(self, settings, message):
        with pytest.raises(ValueError, match=message):
            build(**settings)

    @pytest.mark.filterwarnings('ignore:The teacher has random weights')
    def test_the_algorithm_says_what_its_input_is(self):
        config = pretraining_config('video', amd=True)
        config['data_preprocessor'] = dict(
            type='mmaction.ActionDataPreprocessor', mean=self.IMAGENET['input_mean'],
            std=self.IMAGENET['input_std'], format_shape='NCTHW')
        config['teacher'].update(self.HALF)
        model = MODELS.build(config)
        del config['data_preprocessor'], config['teacher']['mean'], config['teacher']['std']
        assert MODELS.build(config).teacher.pixel_scale is None
        torch.testing.assert_close(
            model.teacher.pixel_scale.flatten(), torch.tensor([58.395, 57.12, 57.375]) / 127.5)
        assert model.double().teacher.pixel_scale.dtype == torch.float64


def _save(path, model):
    torch.save({'state_dict': model.state_dict()}, path)
    return path


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
def test_features_that_are_not_finite_are_named():
    teacher = build()
    images, ids = torch.randn(2, 3, 4, 16, 16), torch.arange(4).expand(2, 4)
    teacher.require_finite(images, ids)
    teacher.backbone.blocks[1].mlp.layers[1].bias.data[5] = torch.inf
    with pytest.raises(ValueError, match=r'at its block 3 192 of 192 .*nothing can be learnt'):
        teacher.require_finite(images, ids)


def test_a_teacher_may_stand_at_an_address(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    weights = video_vit(img_size=16, depth=4).state_dict()
    torch.save(weights, tmp_path / 'a.pth')
    with serving(tmp_path) as address:
        teacher = build(checkpoint=f'{address}/a.pth')
        with pytest.raises(ValueError, match='^Checkpoint http://.*/b.pth: must be an address'):
            build(checkpoint=f'{address}/b.pth')
    assert torch.equal(teacher.backbone.blocks[2].mlp.layers[1].weight,
                       weights['blocks.2.mlp.layers.1.weight'])


@pytest.mark.parametrize('modality', ['image', 'video'])
def test_attention_is_that_of_the_last_block_that_is_kept(modality):
    config = pretraining_config(modality, amd=True)['teacher']
    teacher = randomise(MODELS.build(dict(config, taps=(1, ))))
    images = pixels(modality)
    inputs = []
    attn = teacher.backbone.blocks[-1].attn
    attn.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    found = teacher.attention(images)
    x, = inputs
    weight = attn.qkv.weight.view(3, HEADS, -1, x.shape[-1])
    queries, keys = (torch.einsum('bnd,hcd->bhnc', x, part) for part in weight[:2])
    if modality == 'image':
        bias = attn.qkv.bias.view(3, HEADS, 1, -1)
        queries, keys = queries + bias[0], keys + bias[1]
    else:
        queries = queries + attn.q_bias.view(HEADS, 1, -1)
    weights = (queries @ keys.transpose(2, 3) / queries.shape[-1]**.5).softmax(-1).mean(1)
    expected = weights[:, 0, 1:] if modality == 'image' else weights.mean(1)
    assert found.shape == (2, teacher.grid.num_tokens)
    torch.testing.assert_close(found, expected)
    assert not found.requires_grad


@pytest.mark.parametrize('modality', ['image', 'video'])
def test_patches_of_another_size_see_the_student_s_input_resized(modality):
    """As 196 / 14 = 224 / 16: here 24 / 6 = 32 / 8 a side."""
    backbone = dict(pretraining_config(modality)['backbone'], img_size=24, patch_size=6)
    teacher = build(backbone=backbone, taps=(1, 2), student_grid=make_grid(modality, 4))
    generator = torch.Generator().manual_seed(0)
    time = (4, ) if modality == 'video' else ()
    images = torch.randn(2, 3, *time, 32, 32, generator=generator)
    frames = images.unbind(2) if time else [images]
    small = [F.interpolate(frame, (24, 24), mode='bicubic', antialias=True) for frame in frames]
    small = torch.stack(small, 2) if time else small[0]
    ids = torch.tensor([[0, 5, 9], [15, 1, 2]])
    assert_same(teacher(images, ids), teacher.backbone.encode(small, ids, (1, 2))[1])
    assert teacher.attention(images).shape == (2, teacher.grid.num_tokens)


def test_tokens_of_another_number_name_the_size_that_fits():
    with pytest.raises(ValueError, match=r'same tokens, got 2 x 4 x 4 of 2 x 8 x 8 pixels .*'
                                         r'img_size=\(32, 32\)'):
        build(student_grid=make_grid('video', 4))
    with pytest.raises(ValueError, match='predicts pixels must have patches of the size'):
        build(student_grid=TokenGrid((2, 2, 2), (2, 6, 6)), decoder=dict(
            type='amd_mm.PixelDecoder', embed_dims=16, depth=1, num_heads=2))


def make_grid(modality: str, side: int) -> TokenGrid:
    size, patch = (side, side), (8, 8)
    return TokenGrid((2, *size), (2, *patch)) if modality == 'video' else TokenGrid(size, patch)
