from pathlib import Path

import pytest
from mmengine.config import Config
from recipes import CONFIGS
from runs import toy_config

from amd_mm.engine import build_training_runner, check_packages, check_places
from amd_mm.engine.preflight import check_own_labels
from amd_mm.registry import MODELS

OWN_PICTURES = CONFIGS / 'finetune/vit-small-p16_amd-pre_b64-coslr-50e_own-images.py'
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


def test_class_names_and_the_gallery_of_neighbours_are_places(tmp_path):
    data = dict(data_root=str(tmp_path), metainfo=dict(classes='no/classes.txt'))
    cfg = Config(dict(val_dataloader=dict(dataset=data)))
    with pytest.raises(ValueError, match='not: no/classes.txt .val_dataloader.dataset.metainfo'):
        check_places(cfg, ['val'])
    cfg = Config(dict(model=dict(gallery=dict(dataset=dict(data_root='nowhere')))))
    with pytest.raises(ValueError, match='not: nowhere .model.gallery.dataset.data_root'):
        check_places(cfg, ['test'])
    check_places(Config(dict(val_dataloader=dict(dataset=dict(
        data_root=str(tmp_path), metainfo=dict(classes=('left', 'right')))))), ['val'])


def test_labels_are_looked_at_before_a_model_is_built(tmp_path, monkeypatch):
    """Where processes have not met, and where boxes say the classes, it is left to the hook."""
    for split in ('train', 'val'):
        for name in ('cat', 'dog'):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            (folder / 'a.png').touch()
    cfg = Config.fromfile(OWN_PICTURES)
    cfg.model.backbone.init_cfg = None
    for dataset in (cfg.train_dataloader.dataset.dataset, cfg.val_dataloader.dataset,
                    cfg.test_dataloader.dataset):
        dataset.data_root = str(tmp_path)
    assert check_own_labels(cfg, ['train', 'val']) == ['train', 'val']
    assert cfg.model.head.num_classes is None  # the runner counts them, in a copy
    (tmp_path / 'train/dog/a.png').rename(tmp_path / 'train/cat/b.png')
    monkeypatch.setattr(MODELS, 'build', None)
    cfg.work_dir = str(tmp_path / 'out')
    with pytest.raises(ValueError, match='every class folder must hold at least one file'):
        build_training_runner(cfg)
    assert not (tmp_path / 'out').exists()
    assert check_own_labels(Config(dict(cfg, launcher='pytorch')), ['train']) == []


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
