"""The quickstart's order of stages, what it skips, and its configs; the commands run elsewhere."""
import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from predictions import Predictions

from amd_mm.engine import build_training_runner
from amd_mm.registry import MODELS

REPO = Path(__file__).parents[2]
CONFIGS = sorted((REPO / 'configs/quickstart').glob('*.py'))


def load(name):
    spec = importlib.util.spec_from_file_location(name, REPO / f'tools/{name}.py')
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


quickstart = load('quickstart')
digits = load('data/moving_digits')


def test_plan_is_in_order_and_knows_what_depends_on_what(tmp_path):
    def keys(**settings):
        stages = quickstart.plan(tmp_path / 'run', tmp_path / 'data', **settings)
        before = set()
        for stage in stages:
            assert {need.name for need in stage.needs} <= before
            before.add(stage.name)
            assert stage.config is None or stage.config in CONFIGS
            assert (REPO / stage.command[1]).is_file()
        return {stage.name: stage.key for stage in stages}

    one, same, other, val = keys(), keys(), keys(seed=1), keys(test_list='val.txt')
    assert one == same
    assert {name for name in one if one[name] == other[name]} == {'data'}
    assert {name for name in one if one[name] != val[name]} == {
        f'test_{name}' for name in quickstart.NETWORKS}
    more = keys(transfer=True)
    assert {name: more[name] for name in one} == one  # so nothing of it is done again
    assert set(more) - set(one) == {
        f'{step}_{name}' for step in ('probe', 'test_probe', 'test_knn', 'features')
        for name in quickstart.STUDENTS}


def test_the_row_from_random_weights_has_no_others(tmp_path):
    stages = {stage.name: stage for stage in quickstart.plan(tmp_path, tmp_path / 'data')}
    scratch, amd = stages['finetune_scratch'], stages['finetune_amd_student']
    assert scratch.needs == (stages['data'], ) and amd.needs == (stages['pretrain_amd_student'], )
    assert scratch.config == amd.config
    assert scratch.command[-1] == 'model.backbone.init_cfg=None'
    assert amd.command[-1] == f'model.backbone.init_cfg.checkpoint={amd.needs[0].output}'


def test_every_option_of_the_plan_is_one_that_its_config_has(tmp_path):
    stages = quickstart.plan(tmp_path, tmp_path / 'data', smoke=True, transfer=True)
    stages = [stage for stage in stages if '--cfg-options' in stage.command and stage.config]
    assert len(stages) > 10
    for stage in stages:
        options = stage.command[stage.command.index('--cfg-options') + 1:]
        for key in (option.split('=')[0] for option in options if '=' in option):
            *path, last = key.split('.')
            node = Config.fromfile(stage.config)
            for part in path:
                node = node[part]
            # Files of weights have no default.
            assert last in node or last == 'checkpoint', f'{stage.name}: {key}'


def test_a_linear_probe_leaves_the_encoder_as_it_is(tmp_path):
    cfg = Config.fromfile(quickstart.CONFIGS / 'probe_student.py')
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    clips = torch.randn(2, 1, 3, 8, 32, 32)
    samples = [ActionDataSample().set_gt_label(label) for label in (0, 1)]
    wrapper.update_params(model.loss(clips, samples)['loss_cls'])
    changed = {name for name, weight in model.state_dict().items()
               if not torch.equal(weight, before[name])}
    assert changed == {'cls_head.fc_cls.weight', 'cls_head.fc_cls.bias'}


def fake_run(folder):
    for place, name in enumerate(quickstart.NETWORKS):
        for time, top1 in (('20200101', 0.), ('20200102', 0.2 * (place + 1))):
            file = folder / f'test_{name}' / time / f'{time}.json'
            file.parent.mkdir(parents=True)
            file.write_text(json.dumps({'acc/top1': top1, 'acc/top5': 1.}))
        if name not in quickstart.PRETRAINED:
            continue
        file = folder / f'pretrain_{name}/20200101/vis_data/scalars.json'
        file.parent.mkdir(parents=True)
        file.write_text(''.join(
            json.dumps(dict(step=step, loss_rec=1 / step, loss=1.)) + '\n' for step in (1, 2)))
    picture = folder / 'reconstruction/00001.png'
    picture.parent.mkdir()
    picture.write_bytes(b'a picture')


def test_results(tmp_path):
    fake_run(tmp_path / 'run')
    quickstart.write_results(tmp_path / 'run', tmp_path, seconds=12.3)
    assert json.loads((tmp_path / 'results.json').read_text()) == dict(
        scratch=dict(top1=.2), videomae_student=dict(top1=.4), amd_student=dict(top1=.2 * 3),
        teacher=dict(top1=.8), chance=0.125, seconds=12)
    assert (tmp_path / 'reconstruction.png').read_bytes() == b'a picture'
    assert (tmp_path / 'losses.png').read_bytes().startswith(b'\x89PNG')


def test_results_of_transfers(tmp_path):
    run = tmp_path / 'run'
    fake_run(run)
    for step, top1 in (('probe', .4), ('knn', .3)):
        for name in quickstart.STUDENTS:
            shutil.copytree(run / 'test_teacher', run / f'test_{step}_{name}')
            newest = run / f'test_{step}_{name}/20200102/20200102.json'
            newest.write_text(json.dumps({'acc/top1': top1}))
    results = quickstart.write_results(run, tmp_path, seconds=1., transfer=True)
    assert results['amd_student'] == dict(
        top1=.2 * 3, probe_top1=.4, knn_top1=.3,
        features=str(run / 'features_amd_student/test.npz'))
    assert results['teacher'] == dict(top1=.8)


def test_seconds_of_all_calls_count_until_settings_change(tmp_path):
    calls = [('a', 5., 5.), ('a', 0., 5.), ('a', 2., 7.), ('b', 3., 3.)]
    assert [quickstart.count_seconds(tmp_path, key, seconds) for key, seconds, _ in calls] == [
        total for _, _, total in calls]


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_leaf_is_short(path):
    lines = path.read_text().splitlines()
    assert sum(bool(line.strip()) and not line.startswith('#') for line in lines) <= 20


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Runs a quickstart config for an epoch on a few videos; returns the runner."""
    monkeypatch.chdir(tmp_path)
    out = Path('data')
    digits.prepare(out, digits.Settings(train=8, labelled=8, val=8, test=8))

    def run(name, **options):
        cfg = Config.fromfile(REPO / f'configs/quickstart/{name}.py')
        loaders = {loader: cfg[loader].dataset for loader in ('train_dataloader', 'test_dataloader')
                   if loader in cfg}
        for loader, dataset in loaders.items():
            dataset.get('dataset', dataset).data_root = str(out)
            cfg[loader].batch_size = 2
        cfg.merge_from_dict({
            'work_dir': name, 'experiment_name': f'{tmp_path}{name}', 'log_level': 'WARNING',
            'train_cfg.max_epochs': 1, 'default_hooks.logger.interval': 1,
            'global_batch_size': 2, 'param_scheduler': None, **options})
        runner = build_training_runner(cfg)
        runner.train()
        return runner

    return run


def test_the_whole_chain_in_small(trained):
    """Teacher -> AMD student -> fine-tuning, test: weights arrive where they should."""
    teacher = trained('pretrain_teacher')
    amd = trained('pretrain_amd_student', **{
        'model.teacher.checkpoint': 'pretrain_teacher/epoch_1.pth'})
    for name, value in amd.model.teacher.backbone.state_dict().items():
        assert torch.equal(value, teacher.model.backbone.state_dict()[name]), name
    videomae = trained('pretrain_videomae_student')
    sizes = [{name: value.shape for name, value in runner.model.backbone.state_dict().items()}
             for runner in (amd, videomae)]
    assert sizes[0] == sizes[1], 'the comparison is between equal networks'

    tuned = trained('finetune_student', **{
        'model.backbone.init_cfg.checkpoint': 'pretrain_amd_student/epoch_1.pth',
        'optim_wrapper.optimizer.lr': 0., 'train_cfg.max_epochs': 2})
    for name, value in amd.model.backbone.state_dict().items():
        if not name.startswith('norm.'):
            assert torch.equal(value, tuned.model.backbone.state_dict()[name]), name
    predictions = Predictions()
    tuned.register_hook(predictions)
    assert tuned.test()['acc/top1'] == pytest.approx(predictions.top1)


def test_students_get_the_same_budget():
    amd, videomae = (Config.fromfile(REPO / f'configs/quickstart/pretrain_{name}_student.py')
                     for name in ('amd', 'videomae'))
    for part in ('train_cfg', 'train_dataloader', 'optim_wrapper', 'param_scheduler'):
        assert amd[part] == videomae[part]
    for part in ('backbone', 'decoder', 'head'):
        assert amd.model[part] == videomae.model[part]


def test_shell_script_stands_on_the_shared_environment():
    script = REPO / 'tools/quickstart.sh'
    text = script.read_text()
    assert 'prepare_environment quickstart' in text and 'tools/quickstart.py' in text
    assert os.system(f'bash -n "{script}"') == 0
