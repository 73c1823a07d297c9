from pathlib import Path

import pytest
from mmengine.config import Config
from recipes import CONFIGS
from runs import toy_config

from amd_mm.engine import build_training_runner, check_packages, check_places

VIDEO = CONFIGS / 'amd/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb.py'


def test_every_place_that_is_not_there_is_named_with_its_key(tmp_path):
    cfg = Config.fromfile(VIDEO)
    teacher = tmp_path / 'teacher.pth'
    cfg.model.teacher.checkpoint = str(teacher)
    data = cfg.train_dataloader.dataset.dataset
    data.update(ann_file='', data_prefix=dict(video=str(tmp_path / 'videos')))
    with pytest.raises(ValueError) as error:
        check_places(cfg, ['train'])
    assert str(error.value) == (
        'files and folders that a config names must be there, but these are not: '
        f'{teacher} (model.teacher.checkpoint); {tmp_path}/videos '
        '(train_dataloader.dataset.dataset.data_prefix.video); correct the config, or set them by '
        '--cfg-options model.teacher.checkpoint=PATH')
    teacher.write_bytes(b'')
    with pytest.raises(ValueError, match='not: [^;]*videos'):
        check_places(cfg, ['train'])
    (tmp_path / 'videos').mkdir()
    check_places(cfg, ['train'])


def test_places_are_below_the_root_of_their_data_set(tmp_path):
    data = dict(type='X', data_root=str(tmp_path), ann_file='a.txt', data_prefix='')
    cfg = Config(dict(val_dataloader=dict(dataset=dict(type='Concat', datasets=[
        dict(data, ann_file='b.txt'), data]))))
    (tmp_path / 'b.txt').write_text('')
    with pytest.raises(ValueError, match=f'{tmp_path}/a.txt .val_dataloader.dataset.datasets.1'):
        check_places(cfg, ['val'])
    check_places(cfg, ['train'])  # validation is not used
    (tmp_path / 'a.txt').write_text('')
    check_places(cfg, ['val'])


def test_what_weights_begin_from_is_for_training_only():
    cfg = Config(dict(model=dict(
        backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='no.pth')),
        teacher=dict(checkpoint='none.pth'))))
    with pytest.raises(ValueError, match=r'not: no.pth \(model.backbone.init_cfg[^;]*; none'):
        check_places(cfg, ['train'])
    with pytest.raises(ValueError, match=r'not: none.pth \(model.teacher.checkpoint\); correct'):
        check_places(cfg, ['test'])


@pytest.mark.parametrize('cfg', [
    dict(model=dict(teacher=dict(checkpoint='https://example.org/a.pth'))),
    dict(model=dict(teacher=dict(checkpoint='hf://owner/name'))),
    dict(model=dict(teacher=dict(checkpoint=None), backbone=dict(with_cp=True))),
    dict(train_dataloader=dict(dataset=dict(
        ann_file='s3:bucket/a.txt', backend_args=dict(backend='petrel')))),
    dict(train_dataloader=None),
])
def test_what_is_elsewhere_is_left_to_those_who_open_it(cfg):
    check_places(Config(cfg), ['train'])


@pytest.mark.parametrize('part, package', [
    (dict(teacher=[dict(name='a', teacher=dict(type='amd_mm.TimmTeacher'))]), 'timm'),
    (dict(teacher=dict(type='amd_mm.TransformersTeacher')), 'transformers')])
def test_a_package_that_a_part_imports_late_is_named(monkeypatch, part, package):
    check_packages(Config(dict(model=part)))
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(ModuleNotFoundError, match='needs the package') as error:
        check_packages(Config(dict(model=part)))
    assert error.value.name == package


def test_a_run_looks_before_it_makes_a_work_dir(tmp_path):
    cfg = toy_config(tmp_path / 'config')
    cfg.work_dir = str(tmp_path / 'out')
    cfg.train_dataloader.dataset.dataset.ann_file = 'no.txt'
    with pytest.raises(ValueError):
        build_training_runner(cfg)
    assert not Path(cfg.work_dir).exists()
