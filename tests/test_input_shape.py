import copy
from pathlib import Path

import pytest
from mmengine.config import Config

from amd_mm.command_line import read_config_file
from amd_mm.input_shape import settle_shape
from amd_mm.resolved_config import settings

CONFIGS = Path(__file__).parents[1] / 'configs'
VIDEO = 'amd/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb.py'


def changes(name: str, **shape: int) -> dict:
    """The settings that a shape changes, with their new values."""
    before = Config.fromfile(CONFIGS / name)
    after = copy.deepcopy(before)
    after.update(shape)
    settle_shape(after)
    old, new = settings(before), settings(after)
    assert old.keys() == new.keys(), 'the keys themselves are gone'
    return {key: setting.value for key, setting in new.items() if setting != old[key]}


def test_of_clips_student_teacher_and_pipelines_follow():
    data = 'train_dataloader.dataset'
    assert changes(VIDEO, size=64, frames=8, patch=8) == {
        **{f'model.{who}.{key}': value for who in ('backbone', 'teacher.backbone')
           for key, value in dict(img_size=64, num_frames=8, patch_size=8).items()},
        f'{data}.dataset.pipeline.1.clip_len': 8, f'{data}.pipeline.1.scale': (64, 64)}


def test_views_follow_in_the_recipes_ratio():
    name = 'finetune/vit-small-p16_k400-amd-pre_b8-16x4x1-50e_own-videos-rgb.py'
    # 256 to 224 before, 128 to 112 now.
    assert changes(name, size=112) == {
        'model.backbone.img_size': 112,
        'train_dataloader.dataset.dataset.pipeline.3.scale': (-1, 128),
        'train_dataloader.dataset.pipeline.2.scale': (112, 112),
        **{f'{part}_dataloader.dataset.pipeline.{key}': value for part in ('val', 'test')
           for key, value in {'3.scale': (-1, 112), '4.crop_size': 112}.items()}}


def test_pipelines_that_a_config_shares_change_once():
    name = 'probe/vit-small-p16_knn_in1k.py'
    found = changes(name, size=112)
    assert {found[f'{part}.pipeline.1.scale'] for part in (
        'model.gallery.dataset', 'val_dataloader.dataset', 'test_dataloader.dataset')} == {128}


def test_a_teacher_with_patches_of_its_own_keeps_them_and_has_as_many_tokens():
    cfg = Config.fromfile(CONFIGS / VIDEO)
    cfg.model.teacher.backbone.patch_size = 14
    cfg.size = 160
    settle_shape(cfg)
    assert cfg.model.teacher.backbone.img_size == 140
    assert cfg.model.teacher.backbone.patch_size == 14


def test_it_is_read_from_a_file_and_another_file_overrides_it(tmp_path):
    (tmp_path / 'one.py').write_text(f"_base_ = ['{CONFIGS / VIDEO}']\nsize = 64\n")
    (tmp_path / 'two.py').write_text("_base_ = ['./one.py']\nsize = 96\n")
    for name, size in (('one.py', 64), ('two.py', 96)):
        cfg = read_config_file(tmp_path / name)
        assert cfg.model.backbone.img_size == size
        assert cfg.train_dataloader.dataset.pipeline[1].scale == (size, size)


@pytest.mark.parametrize('name, shape, message', [
    (VIDEO, dict(size='large'), "size at the top of a config must be a whole number of at least 1, "
     "got 'large'; give a variable of your own another name"),
    (VIDEO, dict(patch=0), 'patch at the top of a config must be'),
    ('amd/amd_vit-small-p16_b4096-800e_in1k.py', dict(frames=8),
     'frames must be of a config of clips, got amd_mm.ImageVisionTransformer'),
    ('detection_coco/vit-small-p16_amd-pre_mask-rcnn_b64-lsj-100e_coco.py', dict(size=64),
     'size at the top of a config must belong to pre-training, classification or neighbours'),
    ('_base_/default_runtime.py', dict(size=64), 'got None with None'),
])
def test_what_it_cannot_be_is_refused(name, shape, message):
    cfg = Config.fromfile(CONFIGS / name)
    cfg.update(shape)
    with pytest.raises(ValueError, match=message):
        settle_shape(cfg)


def test_input_that_is_not_square_is_refused():
    cfg = Config.fromfile(CONFIGS / VIDEO)
    cfg.model.backbone.img_size = (128, 224)
    cfg.size = 64
    with pytest.raises(ValueError, match=r'need square input, got img_size \(128, 224\)'):
        settle_shape(cfg)
