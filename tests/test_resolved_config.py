import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import _flexible_runner, runner
from recipes import CONFIGS, shrink
from teachers import two_teachers_config

import amd_mm
from amd_mm.models.necks import AlignmentNeck
from amd_mm.registry import MODELS
from amd_mm.resolved_config import KEYS_READ, Setting, difference, effective, page, settings

EVERY_CONFIG = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
LOSS = dict(type='amd_mm.PixelLoss', distance='l2', loss_weight=1.)


def leaves(value: object, key: str) -> Iterator[tuple[str, object]]:
    """Dotted keys and values of a config, without any default."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, f'{key}.{name}')
    elif isinstance(value, (list, tuple)) and any(isinstance(v, (dict, list)) for v in value):
        for number, item in enumerate(value):
            yield from leaves(item, f'{key}.{number}')
    else:
        yield key, value


def test_a_part_of_ours_gets_its_defaults():
    found = effective(dict(with_cp=True, type='amd_mm.PixelDecoder', depth=4))
    assert list(found.items()) == [
        ('type', 'amd_mm.PixelDecoder'), ('embed_dims', 512), ('depth', 4), ('num_heads', 16),
        ('with_cp', True)]


@pytest.mark.parametrize('part', [dict(type='Visualizer', b=1, a=2), dict(b=1, a=2)])
def test_anybody_elses_part_is_as_the_config_has_it(part):
    assert effective(part) == part
    assert list(effective(part))[-2:] == ['a', 'b']


@pytest.mark.parametrize('name', [
    'amd_mm.AlignmentNeck', 'amd_mm.models.necks.AlignmentNeck', AlignmentNeck])
def test_a_type_is_a_name_a_path_or_the_class(name):
    assert effective(dict(type=name))['generator_depth'] == 2


def test_a_type_of_ours_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match=r"registered in amd_mm, got 'amd_mm\.PixelHaed'"):
        page(Config(dict(model=dict(type='amd_mm.AMD', head=dict(type='amd_mm.PixelHaed')))))


def test_whatever_is_read_of_a_config_has_a_place_on_the_page():
    sources = [inspect.getsource(module) for module in (runner, _flexible_runner)]
    sources += [path.read_text() for path in Path(amd_mm.__file__).parent.rglob('*.py')]
    read = re.findall(r"\bcfg\.get\(\s*'(\w+)'|'(\w+)' in cfg\b", '\n'.join(sources))
    names = {name for match in read for name in match if name}
    assert {'model_wrapper_cfg', 'strategy', 'global_batch_size', 'runner_type', 'compile'} < names
    assert names - KEYS_READ <= {'mask_generator'}  # of a model's config


@pytest.mark.parametrize('path', EVERY_CONFIG, ids=lambda path: path.stem)
def test_a_recipe_is_shown_whole_and_without_its_size_variables(path):
    cfg = Config.fromfile(path)
    said = {name: value for key in KEYS_READ & set(cfg) for name, value in leaves(cfg[key], key)}
    found = settings(cfg)
    assert {name: s.value for name, s in found.items() if not s.is_default} == said
    assert {name.partition('.')[0] for name in found} == KEYS_READ & set(cfg)
    assert not KEYS_READ & {'vit_small', 'student_vit', 'num_classes', 'one_clip', 'train_pipeline'}


def test_the_page_lists_every_setting_once_with_its_mark():
    cfg = Config(dict(
        log_level='INFO', num_classes=8, optim_wrapper=dict(optimizer=dict(lr=.1, betas=(.9, .95))),
        train_dataloader=dict(dataset=dict(pipeline=[dict(type='amd_mm.PyAVDecode'), dict()])),
        model=dict(type='amd_mm.MaskedAutoencoder', decoder=dict(type='amd_mm.PixelDecoder'))))
    assert page(cfg).splitlines()[1:] == [
        '',
        '# model',
        "model.type = 'amd_mm.MaskedAutoencoder'",
        "model.decoder.type = 'amd_mm.PixelDecoder'",
        'model.decoder.embed_dims = 512  # default',
        'model.decoder.depth = 8  # default',
        'model.decoder.num_heads = 16  # default',
        'model.data_preprocessor = None  # default',
        'model.with_cp = False  # default',
        'model.init_cfg = None  # default',
        '',
        '# data',
        "train_dataloader.dataset.pipeline.0.type = 'amd_mm.PyAVDecode'",
        'train_dataloader.dataset.pipeline.1 = {}',
        '',
        '# optimisation',
        'optim_wrapper.optimizer.betas = (0.9, 0.95)',
        'optim_wrapper.optimizer.lr = 0.1',
        '',
        '# runtime',
        "log_level = 'INFO'"]


def test_defaults_that_somebody_else_fills_in_are_not_shown():
    cfg = Config(dict(
        data_preprocessor=dict(mean=[0.]),
        train_dataloader=dict(sampler=dict(type='amd_mm.EpochSampler')),
        model=dict(type='amd_mm.MaskedAutoencoder')))
    found = settings(cfg)
    assert found['train_dataloader.sampler.shuffle'] == Setting(True, True)
    assert 'train_dataloader.sampler.seed' not in found
    assert 'model.data_preprocessor' not in found
    cfg.train_dataloader.sampler.seed = 3
    assert settings(cfg)['train_dataloader.sampler.seed'] == Setting(3, False)


def test_what_an_algorithm_hands_down_is_shown_where_it_is_said():
    cfg = Config.fromfile(CONFIGS / 'amd/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb.py')
    shrink(cfg)
    cfg.model.update(with_cp=True, decoder=dict(cfg.model.decoder, with_cp=False))
    found = {name: setting for name, setting in settings(cfg).items() if 'with_cp' in name}
    assert found == {
        'model.with_cp': Setting(True, False),
        'model.decoder.with_cp': Setting(False, False),
        'model.teacher.backbone.with_cp': Setting(False, True)}
    model = MODELS.build(cfg.model)
    assert model.backbone.with_cp and all(g.with_cp for g in model.neck.generators)
    assert not model.decoder.with_cp and not model.teacher.backbone.with_cp


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
def test_what_is_handed_down_to_the_necks_of_several_teachers_is_no_default():
    model = two_teachers_config(with_cp=True)
    found = settings(Config(dict(model=model)))
    assert found['model.teacher.0.neck.generator_depth'] == Setting(2, True)
    assert found['model.teacher.1.teacher.backbone.with_cp'] == Setting(False, True)
    assert 'model.teacher.0.neck.with_cp' not in found
    assert all(generator.with_cp for lesson in MODELS.build(model).lessons
               for generator in lesson.neck.generators)


def test_difference_is_what_differs_with_both_values():
    one = dict(head=dict(type='amd_mm.PixelLoss', distance='l1', loss_weight=1.))
    other = dict(head=dict(LOSS, type='mmengine.Loss', z=(1, 2)))
    assert difference(Config(dict(model=one)), Config(dict(model=other))).splitlines() == [
        "- model.head.type = 'amd_mm.PixelLoss'",
        "+ model.head.type = 'mmengine.Loss'",
        "- model.head.distance = 'l1'",
        "+ model.head.distance = 'l2'",
        '+ model.head.z = (1, 2)']


def test_a_default_that_is_written_out_is_no_difference():
    short = Config(dict(model=dict(type='amd_mm.PixelDecoder', depth=4), one_clip=1))
    written = Config(dict(model=dict(type='amd_mm.PixelDecoder', depth=4, num_heads=16)))
    assert difference(short, written) == ''
    written.model.embed_dims = 256
    assert difference(short, written).splitlines() == [
        '- model.embed_dims = 512  # default', '+ model.embed_dims = 256']
