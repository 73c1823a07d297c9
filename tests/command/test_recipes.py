import pytest
from mmengine.config import Config

from amd_mm.command.recipes import find_recipe, methods, path_of, recipes, students, tuning_recipe
from amd_mm.models.teachers import FrozenTeacher


def test_the_table_is_what_the_files_are():
    for recipe in recipes():
        cfg = Config.fromfile(path_of(recipe.base))
        is_video = 'num_frames' in cfg.model.backbone
        assert recipe.modality == ('video' if is_video else 'image')
        vit = cfg[recipe.student.replace('-', '_')].backbone
        assert vit.items() <= cfg.model.backbone.items() or recipe.student == 'vit-small'
        if recipe.teacher:
            assert not cfg.model.teacher.type.endswith(FrozenTeacher.__name__)


def test_methods_and_students_are_those_of_the_folders():
    assert methods()[:4] == ['amd', 'dmae', 'mae', 'videomae']
    assert {'salt', 'tinymim', 'in-manner-of-umt'} < set(methods())
    assert students() == ['vit-small', 'vit-base', 'vit-large', 'vit-huge', 'vit-giant']


@pytest.mark.parametrize('asked, name', [
    (('amd', 'video', 'vit-base', ''), 'amd/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py'),
    (('amd', 'image', 'vit-small', ''), 'amd/amd_vit-small-p16_b4096-800e_in1k.py'),
    # Of a kin: its own recipe is that of the large one.
    (('amd', 'image', 'vit-small', 'dinov2-base-registers'),
     'family/amd_vit-small-p16_dinov2-large_b4096-100e_in1k.py'),
    # None for this student: one of another size.
    (('dmae', 'image', 'vit-small', ''), 'dmae/dmae_vit-base-p16_b4096-100e_in1k.py'),
    (('mae', 'image', 'vit-large', None), 'mae/mae_vit-large-p16_b4096-800e_in1k.py'),
    (('salt', 'video', 'vit-base', ''),
     'family/salt_vit-base-p16_videomae-large_b512-16x4x1-200e_kinetics400-rgb.py'),
])
def test_the_nearest_recipe(asked, name):
    assert find_recipe(*asked).base == f'amd_mm::{name}'


@pytest.mark.parametrize('asked, message', [
    (('amb', 'image', 'vit-small', ''), "--method must be one of amd, dmae, mae, .* got 'amb'"),
    (('mae', 'video', 'vit-small', None), '--method must be one for videos, got mae; take one of'),
    (('amd', 'image', 'vit-small', 'clip-base-16'),
     r'a recipe of amd for images knows \(an encoder of MAE or VideoMAE, dinov2-large, '
     r'dinov3-large, or one of their kin\), got clip-base-16'),
    (('in-manner-of-umt', 'video', 'vit-base', ''), r'knows \(clip-base, or one of their kin\), '
     'got an encoder of MAE or VideoMAE'),
])
def test_what_no_recipe_is_is_refused(asked, message):
    with pytest.raises(ValueError, match=message):
        find_recipe(*asked)


@pytest.mark.parametrize('modality', ['image', 'video'])
def test_one_recipe_fine_tunes_on_anybodys_data(modality):
    cfg = Config.fromfile(path_of(tuning_recipe(modality)))
    assert cfg.runner_type == 'amd_mm.ClassesFromDataRunner'
    assert ('num_frames' in cfg.model.backbone) == (modality == 'video')
