"""Several teachers: each teaches what it teaches alone, and together they teach the sum."""
import copy
import re

import pytest
import torch
from losses import AMD_NECK
from mmengine.config import Config
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import build_optim_wrapper
from mmpretrain.structures import DataSample
from recipes import CONFIGS, shrink
from teachers import alone, entry, two_teachers_config, with_teachers
from tiny_vits import pixels, pretraining_config, randomise
from torch import nn

from amd_mm.config_keys import check_keys, merge_options
from amd_mm.profiling.flops import count_flops
from amd_mm.profiling.trial import trial_inputs
from amd_mm.registry import MODELS

pytestmark = pytest.mark.filterwarnings('ignore:The teacher has random weights')
SAMPLES = [DataSample(metainfo=dict(sample_key=key)) for key in (5, 6)]


def build(config: dict) -> nn.Module:
    """In float64, with random weights everywhere, the teachers' too."""
    model = randomise(MODELS.build(config))
    for number, lesson in enumerate(model.lessons):
        randomise(lesson.teacher, seed=10 + number)
    return model.double()


def step(model: nn.Module, modality: str) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Losses and gradients by name."""
    model.zero_grad()
    losses = model.loss(pixels(modality).double(), SAMPLES)
    sum(losses.values()).backward()
    return {name: loss.item() for name, loss in losses.items()}, {
        name: weight.grad.clone() for name, weight in model.named_parameters()
        if weight.requires_grad}


@pytest.mark.parametrize('modality', ['image', 'video'])
def test_gradients_are_the_sum_of_those_of_each_alone(modality):
    config = two_teachers_config(modality, decoder=None, head=None)
    model = build(config)
    losses, gradients = step(model, modality)
    sums: dict[str, torch.Tensor] = {}
    for number, name in enumerate(('wide', 'narrow')):
        own_losses, own = step(alone(model, config, number), modality)
        assert set(own_losses) == {'loss_dir', 'loss_gen'}
        for loss, value in own_losses.items():
            assert losses.pop(f'{loss}_{name}') == pytest.approx(value, rel=1e-12)
        for weight, gradient in own.items():
            weight = re.sub('^neck', f'necks.{name}', weight)
            sums[weight] = sums.get(weight, 0) + gradient
    assert not losses and set(gradients) == set(sums)
    for weight, gradient in gradients.items():
        assert gradient.any()
        torch.testing.assert_close(gradient, sums[weight], rtol=1e-9, atol=1e-12)


def test_two_equal_teachers_count_twice():
    config = pretraining_config('image', amd=True)
    config.update(decoder=None, head=None)
    one = build(config)
    two = build(with_teachers(config, entry(config, 'a'), entry(config, 'b')))
    weights = one.state_dict()
    two.load_state_dict({
        name: weights[re.sub(r'^necks\.[ab]', 'neck', name)] for name in two.state_dict()})
    for lesson in two.lessons:
        lesson.teacher.load_state_dict(one.teacher.state_dict())
    (losses, gradients), (twice, doubled) = step(one, 'image'), step(two, 'image')
    assert sum(twice.values()) == pytest.approx(2 * sum(losses.values()), rel=1e-12)
    for name, gradient in gradients.items():
        if name.startswith('backbone.'):
            torch.testing.assert_close(doubled[name], 2 * gradient, rtol=1e-9, atol=1e-12)


def masks(strategy: str, teacher_ratio) -> dict:
    return dict(type='amd_mm.AsymmetricMaskGenerator', strategy=strategy, student_ratio=.75,
                teacher_ratio=teacher_ratio)


TIMM = dict(type='amd_mm.TimmTeacher', architecture='vit_tiny_patch16_224', taps=(2, ),
            checkpoint=None)
DIRECT = dict(AMD_NECK, generation=None)


def mvd_config() -> dict:
    """A teacher of pictures, frame by frame, and one of clips, for clips (in the manner of MVD)."""
    config = pretraining_config('video', amd=True)
    return with_teachers(
        config, entry(config, 'wide', teacher=dict(TIMM, frames='mean'), taps=[2]),
        entry(config, 'narrow', neck=DIRECT))


def comad_config() -> dict:
    """Two teachers of pictures, of other patches and widths (in the manner of CoMAD)."""
    config = pretraining_config('image', amd=True)
    return with_teachers(config, entry(config, 'wide', teacher=TIMM, taps=[2]),
                         entry(config, 'narrow'))


@pytest.mark.parametrize('modality, config, ratios', [
    ('video', two_teachers_config(), (.5, .25)),
    ('video', two_teachers_config(), (0., .5)),
    # One sees nothing beside the student's tokens.
    ('video', mvd_config(), (0., .75)),
    ('image', comad_config(), (.5, .25)),
], ids=['narrower', 'wider', 'mvd', 'comad'])
def test_each_teacher_sees_and_costs_what_it_does_alone(modality, config, ratios):
    strategy = 'tube' if modality == 'video' else 'random'
    config = dict(config, decoder=None, head=None, mask_generator=masks(strategy, ratios))
    model = build(config)
    losses, _ = step(model, modality)

    def flops(model):
        return count_flops(model, lambda copied: copied.loss(pixels(modality).double(), SAMPLES))

    together, apart = flops(model), []
    for number, name in enumerate(('wide', 'narrow')):
        one = alone(model, dict(config, mask_generator=masks(strategy, ratios[number])), number)
        for loss, value in step(one, modality)[0].items():
            assert losses.pop(f'{loss}_{name}') == pytest.approx(value, rel=1e-12)
        apart.append(flops(one))
    assert not losses
    for part in ('teacher', 'generator'):
        assert together[part] == sum(each[part] for each in apart)
    assert together['student'] == apart[0]['student'] == apart[1]['student']


def test_the_student_runs_once_with_all_taps(monkeypatch):
    model = build(two_teachers_config())
    encode, calls = model.backbone.encode, []
    monkeypatch.setattr(model.backbone, 'encode', lambda images, ids, taps: (
        calls.append(taps), encode(images, ids, taps))[1])
    losses, _ = step(model, 'video')
    assert calls == [[1, 2]]
    assert set(losses) == {'loss_dir_wide', 'loss_gen_wide', 'loss_dir_narrow', 'loss_gen_narrow',
                           'loss_rec'}


def test_teachers_are_outside_of_the_student():
    model = build(two_teachers_config())
    names = [name for name, _ in model.named_parameters()]
    assert not any('teacher' in name or 'lesson' in name for name in [*names, *model.state_dict()])
    tops = {'.'.join(name.split('.')[:2]) for name in names if name.startswith('neck')}
    assert tops == {'necks.wide', 'necks.narrow'}
    trained = build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=1.)))
    held = {id(weight) for group in trained.param_groups for weight in group['params']}
    assert held == set(map(id, model.parameters()))
    for lesson in model.lessons:
        before = copy.deepcopy(lesson.teacher.state_dict())
        model.init_weights()
        model.train()
        assert not lesson.teacher.training
        weights = list(lesson.teacher.parameters())
        assert not held & set(map(id, weights))
        assert all(weight.dtype == torch.float64 and not weight.requires_grad for weight in weights)
        torch.testing.assert_close(before, lesson.teacher.state_dict(), rtol=0, atol=0)
    with pytest.raises(AttributeError):
        _ = model.teacher


def test_a_copy_shares_the_teachers_and_has_its_own_necks():
    model = build(two_teachers_config())
    copied = ExponentialMovingAverage(model).module
    for one, other in zip(model.lessons, copied.lessons, strict=True):
        assert other.teacher is one.teacher and other.neck is not one.neck
        assert other.neck is copied.necks[other.name]
    clips = pixels('video').double()
    assert copied.loss(clips, SAMPLES) == model.loss(clips, SAMPLES)


def test_the_teacher_that_gives_nan_is_named():
    model = build(two_teachers_config())
    model.lessons[1].teacher.backbone.blocks[0].attn.proj.bias.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="^Teacher 'narrow': The features of the teacher must be"):
        model.loss(pixels('video').double())


def test_the_teacher_that_drowns_the_pixels_is_named(monkeypatch):
    said = []
    monkeypatch.setattr('amd_mm.models.algorithms.amd.print_log',
                        lambda text, *args, **kwargs: said.append(text))
    model = build(two_teachers_config())
    for block in model.lessons[1].teacher.backbone.blocks:
        block.mlp.layers[1].weight.data *= 1000
    losses, _ = step(model, 'video')
    text, = (text for text in said if "teacher 'narrow'" in text)
    assert f'loss_dir_narrow {losses["loss_dir_narrow"]:.3g} and loss_gen_narrow ' in text
    assert "model.teacher.1.neck.direct.normalize='layer_norm'" in text


@pytest.mark.slow
def test_several_compile_into_one_graph():
    torch.compiler.reset()
    model = build(two_teachers_config())
    expected, _ = step(model, 'video')
    model.compile_networks(backend='aot_eager', fullgraph=True)
    assert step(model, 'video')[0] == pytest.approx(expected, rel=1e-9)


def test_the_page_of_recipes_shows_a_config_that_trains(tmp_path):
    page = (CONFIGS.parent / 'docs' / 'recipes.md').read_text()
    text = page.partition('## Several teachers')[2].partition('```python\n')[2].partition('```')[0]
    assert len(text.splitlines()) <= 20
    (tmp_path / 'config.py').write_text(text)
    cfg = Config.fromfile(tmp_path / 'config.py')
    check_keys(cfg)
    assert cfg.model.teacher[1].teacher.type == 'amd_mm.FrozenTeacher'
    merge_options(cfg, {'model.teacher.1.teacher.checkpoint': 'a.pth'})
    shrink(cfg)
    model = MODELS.build(cfg.model)
    losses = model.train().loss(trial_inputs(model, 1))
    assert {*losses} == {
        'loss_dir_image', 'loss_dir_video', 'loss_gen_video', 'loss_rec'}
    sum(losses.values()).backward()
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)


FROZEN = pretraining_config('image', amd=True)


@pytest.mark.parametrize('changes, words', [
    (dict(teacher=[]), r'teacher of AMD must be one config, .* or a list \(at least 1\)'),
    (dict(teacher=[FROZEN['teacher']]), 'must have name, teacher, taps and neck, got type, taps'),
    (dict(teacher=[entry(FROZEN, 'a'), entry(FROZEN, 'a')]), 'different names, got a, a'),
    (dict(teacher=[entry(FROZEN, 'a.b')]), "name of a teacher .* got 'a.b'"),
    (dict(teacher=[entry(FROZEN, 'values')]), "of torch's modules, got 'values'"),
    (dict(teacher=[entry(FROZEN, 'a', weight=2.)]), 'got name, teacher, taps, neck, weight'),
    (dict(mask_generator=masks('random', [.5, .5, .5])), 'one a teacher, 1, got 3'),
    (dict(mask_generator=masks('random', [.5, .75]),
          teacher=[entry(FROZEN, 'a'), entry(FROZEN, 'b')]),
     "^Teacher 'b': Generation alignment needs tokens"),
    (dict(taps=(1, 2)), r'taps of AMD must be None beside a list .* set model\.taps=None'),
    (dict(neck=FROZEN['neck']), r'neck of AMD must be None .* set model\.neck=None'),
    (dict(teacher=FROZEN['teacher']), 'One teacher needs taps and neck of AMD, got None'),
    (dict(teacher=[entry(FROZEN, 'a', taps=[0])]),
     r"^Teacher 'a': model\.teacher\.0\.taps must be a list .* got \[0\]"),
    (dict(teacher=[entry(FROZEN, 'a'), entry(FROZEN, 'b', taps=[1, 3])]),
     "^Teacher 'b': Taps of the student .* up to its depth 2"),
    (dict(teacher=[entry(FROZEN, 'a'), entry(FROZEN, 'b', taps=[1])]),
     "^Teacher 'b': Student and teacher must have as many taps"),
    (dict(teacher=[entry(FROZEN, 'a', teacher={
        key: value for key, value in FROZEN['teacher'].items() if key != 'checkpoint'})]),
     r"^Teacher 'a': .* set model\.teacher\.0\.teacher\.checkpoint=FILE"),
])
def test_what_is_no_list_of_teachers_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        MODELS.build(with_teachers(FROZEN, entry(FROZEN, 'a'), **changes))


def vit_teacher(modality: str, **changes) -> dict:
    """A teacher of ours with some settings of its network changed."""
    teacher = pretraining_config(modality, amd=True)['teacher']
    return dict(teacher, backbone=dict(teacher['backbone'], **changes))


@pytest.mark.parametrize('modality, teacher, words', [
    ('image', dict(FROZEN['teacher'], taps=(1, 3)), r'Taps of the teacher .* depth 2, got \[1, 3'),
    ('image', dict(TIMM, taps=(1, 13)), r'Taps of the teacher .* depth 12, got \[1, 13\]'),
    ('image', vit_teacher('image', img_size=36), 'multiple of the patch size 8, got 36'),
    ('image', dict(TIMM, architecture='vit_so400m_patch14_siglip_384', match='interpolate'),
     r'multiple of its patch \(14, 14\): set .*match=None'),
    ('image', vit_teacher('video'), 'student of pictures must .* got one of clips: use a backbone'),
    ('video', vit_teacher('image'), 'student of clips must .* got one of pictures: use amd_mm.T'),
    ('image', dict(TIMM, frames='mean'), "must be None for a student of pictures, got 'mean'"),
    ('video', TIMM, 'must be first or mean for a student of clips, got None'),
    ('image', vit_teacher('image', patch_size=16),
     'got 4 x 4 of 8 x 8 pixels of the student and 2 x 2 of 16 x 16 pixels of the teacher'),
    ('video', vit_teacher('video', num_frames=8), 'got 2 x 4 x 4 of 2 x 8 x 8 pixels .* 4 x 4 x 4'),
    ('image', dict(TIMM, taps=(1, 2), match='interpolate'),
     r'TimmTeacher must see all 16 tokens.*teacher_ratio=0'),
])
@pytest.mark.parametrize('several', [False, True])
def test_a_teacher_that_does_not_fit_is_refused(several, modality, teacher, words):
    config = dict(pretraining_config(modality, amd=True), teacher=teacher)
    if several:
        config = with_teachers(config, entry(config, 'image'))
    with pytest.raises(ValueError, match=words) as error:
        MODELS.build(config)
    assert ("Teacher 'image': " in str(error.value)) == several


def test_features_of_another_grid_are_interpolated_on_request():
    """14 x 14 tokens of the teacher, 4 x 4 of the student."""
    config = pretraining_config('image', amd=True)
    model = build(dict(config, teacher=dict(TIMM, match='interpolate'), taps=[2],
                       mask_generator=masks('random', 0.)))
    pictures = pixels('image').double()
    own = nn.functional.interpolate(pictures, (224, 224), mode='bicubic', antialias=True)
    pixel_scale, pixel_shift = model.teacher.pixel_scale, model.teacher.pixel_shift
    assert pixel_scale is None and pixel_shift is None
    mask = model.draw_mask(pictures, torch.tensor([5, 6]))
    found, = model.teacher(pictures, mask.teacher_visible)
    want = model.teacher.network.forward_intermediates(
        own, indices=[1], intermediates_only=True)[0]
    want = nn.functional.interpolate(
        want.float(), (4, 4), mode='bilinear', antialias=True).flatten(2).transpose(1, 2)
    want = want.gather(1, mask.teacher_visible[..., None].expand(-1, -1, 192))
    torch.testing.assert_close(found[:, 1:].float(), want)
    assert step(model, 'image')[0].keys() == {'loss_dir', 'loss_gen', 'loss_rec'}
