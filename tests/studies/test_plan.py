"""Stages of a study: what they need, what they are told, and what is shared."""
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config, DictAction

from amd_mm.checkpoints import load_pretrained
from amd_mm.config_keys import merge_options
from amd_mm.registry import MODELS
from amd_mm.studies import plan_study, read_study

REPO = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def study():
    return read_study(REPO / 'tools/studies/quickstart.py')


def options_of(stage):
    words = stage.command[stage.command.index('--cfg-options') + 1:]
    return dict(word.split('=', 1) for word in words)


def configured(stage):
    """Its config as its command makes it."""
    config = Config.fromfile(stage.config)
    merge_options(config, {key: DictAction._parse_iterable(value)
                           for key, value in options_of(stage).items()})
    return config


def build(stage, teacher):
    """Its model; the teacher, if it has one, from this file, or None: random weights."""
    model = configured(stage).model
    if 'teacher' in model:
        model.teacher.checkpoint = teacher
    return MODELS.build(model)


def test_stages_are_in_order_and_a_teacher_is_trained_once(study, tmp_path):
    stages = plan_study(study, tmp_path, 3, 'val')
    names = [stage.name for stage in stages]
    assert len(set(names)) == len(names)
    for place, stage in enumerate(stages):
        assert {need.name for need in stage.needs} <= set(names[:place])
    assert [name for name in names if 'pretrain' in name] == [
        'seed3/pretrain_teacher', 'seed3/pretrain_amd', 'seed3/pretrain_videomae']
    assert names.count('seed3/val_top1_teacher') == 1
    assert names[0] == 'data'


def test_each_stage_gets_its_weights_and_its_seed(study, tmp_path):
    stages = {stage.name: stage for stage in plan_study(study, tmp_path, 3, 'val')}
    amd, tuned = stages['seed3/pretrain_amd'], stages['seed3/top1_amd']
    assert options_of(amd) == {
        'randomness.seed': '3',
        'model.teacher.checkpoint': str(tmp_path / 'seed3/pretrain_teacher/epoch_6.pth')}
    assert amd.output == tmp_path / 'seed3/pretrain_amd/epoch_6.pth'
    assert options_of(tuned)['model.backbone.init_cfg.checkpoint'] == str(amd.output)
    assert options_of(stages['seed3/top1_scratch'])['model.backbone.init_cfg'] == 'None'
    test = stages['seed3/val_top1_amd']
    assert test.command[3] == str(tuned.output)
    assert options_of(test) == {'test_dataloader.dataset.ann_file': 'val.txt'}


def test_seeds_and_splits_share_what_does_not_depend_on_them(study, tmp_path):
    def keys(*settings):
        return {stage.name: stage.key for stage in plan_study(study, tmp_path, *settings)}

    first, other = keys(0, 'val'), keys(0, 'test')
    assert {name for name in first if other.get(name) == first[name]} == {
        name for name in first if 'val_' not in name}
    assert set(keys(0, 'val')) & set(keys(1, 'val')) == {'data'}


def test_options_of_an_arm_reach_only_its_own_stages(study, tmp_path):
    scratch = study.arms['scratch']
    long = replace(scratch, options={'top1': {'train_cfg.max_epochs': 40}})
    stages = {stage.name: stage for stage in plan_study(
        replace(study, arms=dict(long=long, scratch=scratch)), tmp_path, 0, 'test')}
    assert stages['seed0/top1_long'].output.name == 'epoch_40.pth'
    assert stages['seed0/top1_scratch'].output.name == 'epoch_10.pth'
    # Nothing is pre-trained that no arm asks for.
    assert not [name for name in stages if 'pretrain' in name]


def test_a_teacher_with_a_seed_of_its_own_is_trained_once_for_all_seeds(tmp_path):
    study = read_study(REPO / 'tools/studies/video_main.py')
    first, second = ({stage.name: stage for stage in plan_study(study, tmp_path, seed, 'test')}
                     for seed in (0, 1))
    teacher = first['shared/pretrain_teacher']
    assert teacher.key == second['shared/pretrain_teacher'].key
    assert options_of(teacher)['randomness.seed'] == '1000'
    for seed, stages in enumerate((first, second)):
        student = stages[f'seed{seed}/pretrain_amd']
        assert options_of(student)['randomness.seed'] == str(seed)
        assert options_of(student)['model.teacher.checkpoint'] == str(teacher.output)
        # Fine-tuned anew with every seed.
        assert f'seed{seed}/top1_teacher' in stages


@pytest.mark.parametrize('name', [
    'pictures', 'quickstart', 'smoke', 'video_ablations', 'video_claims', 'video_main'])
def test_configs_have_a_place_for_every_option(name, tmp_path):
    study = read_study(REPO / f'tools/studies/{name}.py')
    for stage in plan_study(study, tmp_path, 0, 'test'):
        if stage.config is not None:
            merge_options(Config.fromfile(stage.config), options_of(stage))


@pytest.mark.parametrize('name', ['video_ablations', 'video_claims'])
def test_students_that_are_compared_are_of_equal_length(name, tmp_path):
    study = read_study(REPO / f'tools/studies/{name}.py')
    stages = {stage.name: stage for stage in plan_study(study, tmp_path, 0, 'test')}
    main = {stage.key for stage in plan_study(
        read_study(REPO / 'tools/studies/video_main.py'), tmp_path, 0, 'test')}
    assert {stages[f'seed0/pretrain_{arm.start}'].output.name
            for arm in study.arms.values() if arm.start} == {'epoch_4.pth'}
    # The teacher and the row from random weights are the main table's.
    shared = {stage.name for stage in stages.values() if stage.key in main}
    assert shared == {'data', 'shared/pretrain_teacher', 'seed0/top1_scratch',
                      'seed0/test_top1_scratch'}


@pytest.mark.parametrize('name', ['pictures', 'video_ablations', 'video_claims', 'video_main'])
def test_no_two_pretrainings_are_the_same(name, tmp_path):
    """An option set to what its config has already would be a row that changes nothing."""
    settings = {}
    for stage in plan_study(read_study(REPO / f'tools/studies/{name}.py'), tmp_path, 0, 'test'):
        if '/pretrain_' in stage.name:
            same = settings.setdefault(repr(configured(stage)), stage.name)
            assert same == stage.name
    assert len(settings) > 2


@pytest.fixture(scope='module')
def weights_of_a_teacher(tmp_path_factory):
    model = Config.fromfile(REPO / 'configs/evidence/pretrain_teacher.py').model
    path = tmp_path_factory.mktemp('teacher') / 'epoch_1.pth'
    torch.save(dict(state_dict=MODELS.build(model).state_dict(), meta={}), path)
    return str(path)


@pytest.mark.parametrize('name', ['video_ablations', 'video_claims', 'video_main'])
def test_every_pretraining_of_a_study_has_the_losses_that_its_settings_say(
        name, tmp_path, weights_of_a_teacher):
    stages = plan_study(read_study(REPO / f'tools/studies/{name}.py'), tmp_path, 0, 'test')
    found = {}
    for stage in stages:
        _, split, arm = stage.name.partition('/pretrain_')
        if not split:
            continue
        model = build(stage, weights_of_a_teacher)
        clips = [torch.randint(255, (1, 3, 8, 28, 28), dtype=torch.uint8) for _ in range(2)]
        batch = dict(inputs=clips, data_samples=[ActionDataSample() for _ in clips])
        losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
        assert all(torch.isfinite(loss) for loss in losses.values()), arm
        found[arm] = set(losses)
    for arm, names in found.items():
        amd = not arm.startswith(('videomae', 'teacher')) or arm.startswith('teacher_sees')
        wanted = {'loss_rec', 'loss_dir', 'loss_gen'} if amd else {'loss_rec'}
        wanted -= dict(
            teacher_sees_as_little={'loss_gen'}, direct_only={'loss_gen'}, dmae_like={'loss_gen'},
            generation_only={'loss_dir'}, salt_like={'loss_dir', 'loss_rec'}).get(arm, set())
        assert names == wanted, arm


@pytest.mark.filterwarnings('ignore:The teacher has random weights',
                            'ignore:Checkpoint .* does not say')
@pytest.mark.parametrize('name', ['pictures', 'quickstart', 'video_ablations'])
def test_what_a_pretraining_leaves_is_what_its_evaluations_load(name, tmp_path):
    stages = plan_study(read_study(REPO / f'tools/studies/{name}.py'), tmp_path, 0, 'test')
    loaded = 0
    for stage in stages:
        start = next((need for need in stage.needs if '/pretrain_' in need.name), None)
        if start is None or '/pretrain_' in stage.name:
            continue
        if not start.output.exists():
            start.output.parent.mkdir(parents=True)
            torch.save(dict(state_dict=build(start, None).state_dict(), meta={}), start.output)
        model = build(stage, None)
        if '/test_' in stage.name:  # nothing is trained
            load_pretrained(model.backbone, start.output)
        else:
            model.init_weights()
        loaded += 1
    assert loaded >= 3


def test_options_of_a_study_go_where_a_config_has_a_place(tmp_path):
    stages = {stage.name: stage for stage in plan_study(
        read_study(REPO / 'tools/studies/smoke.py'), tmp_path, 0, 'test')}
    assert 'test_dataloader.dataset.data_root' not in options_of(stages['seed0/pretrain_amd'])
    assert options_of(stages['seed0/test_top1_amd'])[
        'test_dataloader.dataset.data_root'] == 'data/moving_digits_smoke'
