import itertools
import re
import sys
from pathlib import Path

import pytest
from clips import write_broken_videos, write_video
from mmengine.config import Config
from recipes import CONFIGS, shorten, shrink
from runs import command, recorded, run, run_tool, toy_config

TOOLS = Path(__file__).parents[2] / 'tools'
COUNT = itertools.count()


def train(monkeypatch, config: Path, *arguments: str) -> str:
    """Runs tools/train.py in this process; returns what it logged."""
    # Runs that start within a second would share a name, and with it a logger.
    name = f'experiment_name={next(COUNT)}_{config}'.replace('/', '_')
    monkeypatch.setattr(sys, 'argv', ['train.py', str(config), *arguments, '--cfg-options', name])
    monkeypatch.setenv('LOCAL_RANK', '0')
    run_tool(TOOLS / 'train.py')
    work_dir = Path(arguments[arguments.index('--work-dir') + 1])
    return max(work_dir.glob('*/*.log')).read_text()


@pytest.fixture
def config(tmp_path) -> Path:
    cfg = toy_config(tmp_path / 'config', max_epochs=2)
    cfg.log_level = 'INFO'
    cfg.pop('experiment_name')
    cfg.pop('work_dir')
    cfg.custom_hooks.append(dict(type='amd_mm.EffectiveBatchHook'))
    cfg.dump(tmp_path / 'toy.py')
    return tmp_path / 'toy.py'


@pytest.mark.parametrize('tool', ['train.py', 'test.py'])
def test_help_does_not_wait_for_torch(tool):
    program = ('import runpy, sys\n'
               'sys.argv = [sys.argv[1], "--help"]\n'
               'try:\n    runpy.run_path(sys.argv[0], run_name="__main__")\n'
               'except SystemExit as stop:\n    print("status", stop.code)\n'
               'print({"torch", "mmcv", "mmengine.runner"} & {*sys.modules} or "light")')
    shown = command('python', '-c', program, TOOLS / tool)
    assert '--cfg-options' in shown and shown.endswith('status 0\nlight\n')


def tiny_recipe(tmp_path: Path) -> Path:
    """AMD's recipe for videos, small, on eight small ones and all that are broken."""
    videos = tmp_path / 'videos'
    videos.mkdir()
    for number in range(8):
        write_video(videos / f'{number}.mp4', 20)
    write_broken_videos(videos)
    cfg = Config.fromfile(CONFIGS / 'amd/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb.py')
    shrink(cfg, blocks=6)
    shorten(cfg)
    data = cfg.train_dataloader.dataset.dataset
    data.update(ann_file='', data_prefix=dict(video=str(videos)))
    cfg.custom_hooks.append(dict(type='amd_mm.BadSampleHook', max_share=.9))
    cfg.merge_from_dict({'global_batch_size': 2, 'train_dataloader.batch_size': 1,
                         'train_dataloader.num_workers': 2, 'auto_scale_lr.enable': True})
    cfg.dump(tmp_path / 'recipe.py')
    return tmp_path / 'recipe.py'


def test_the_terminal_has_a_header_of_ten_lines_and_the_file_all_else(tmp_path):
    shown = command('python', TOOLS / 'train.py', tiny_recipe(tmp_path), '--work-dir',
                    tmp_path / 'out').splitlines()
    assert [line.split('  ')[0] for line in shown[:10]] == [
        'method', 'networks', 'data', 'batch', 'schedule', 'device', 'cost', 'changed', 'start',
        'work dir']
    kinds = [re.match(r'warning: The teacher has random|warning: Bad sample|warning: The teacher.s '
                      r'features|\d\d:\d\d:\d\d Epoch\(train\) \[1\]\[|done: \d+ updates', line)
             for line in shown[10:]]
    assert all(kinds), shown
    # No decoder has written past Python.
    assert all(line.isprintable() for line in shown)
    log = max((tmp_path / 'out').glob('*/*.log')).read_text()
    assert 'paramwise_options' in log and 'Hooks will be executed' in log
    assert log.count('\n') > 200


def test_an_interrupted_run_is_resumed(monkeypatch, config, tmp_path):
    whole = toy_config(tmp_path / 'whole', max_epochs=2)
    run(whole)
    work_dir = ['--work-dir', str(tmp_path / 'parts')]
    with pytest.raises(SystemExit, match='2'):
        # --resume without a checkpoint starts from the beginning
        train(monkeypatch, config, *work_dir, '--resume', '--cfg-options', 'model.bad_at=8')
    # Another model (bad_at): only from a file that is named.
    with pytest.raises(SystemExit, match='2'):
        train(monkeypatch, config, *work_dir, '--resume')
    log = train(monkeypatch, config, *work_dir, '--resume', f'{tmp_path}/parts/epoch_1.pth')
    assert 'resumed epoch: 1, iter: 5' in log
    lines = recorded(toy_config(tmp_path / 'parts'))
    for expected, found in zip(recorded(whole), lines[:5] + lines[7:], strict=True):
        assert found['keys'] == expected['keys']
        assert found['losses'] == pytest.approx(expected['losses'], rel=1e-6)


def test_automatic_learning_rate(monkeypatch, config, tmp_path, capsys):
    arguments = ['--work-dir', str(tmp_path / 'out'), '--auto-scale-lr', '--cfg-options',
                 'optim_wrapper.accumulative_counts=2', 'train_cfg.max_epochs=1']
    with pytest.raises(SystemExit, match='2'):
        train(monkeypatch, config, *arguments)
    assert 'error: --auto-scale-lr needs auto_scale_lr' in capsys.readouterr().err
    log = train(monkeypatch, config, *arguments, 'auto_scale_lr.base_batch_size=16')
    assert '= 4 samples an update (x 2 repeats = 8). Learning rate: 0.005' in log


def test_amp_runs_in_float32_without_an_accelerator(monkeypatch, config, tmp_path):
    log = train(monkeypatch, config, '--amp', '--work-dir', str(tmp_path / 'out'),
                '--cfg-options', 'train_cfg.max_epochs=1')
    assert "type='AmpOptimWrapper'" in log
    assert 'OptimWrapper (float32)' in log


def test_tensorboard_is_one_option(monkeypatch, config, tmp_path):
    train(monkeypatch, config, '--work-dir', str(tmp_path / 'out'), '--cfg-options',
          'train_cfg.max_epochs=1', 'visualizer.vis_backends.0.type=TensorboardVisBackend')
    assert list((tmp_path / 'out').glob('*/vis_data/events.out.tfevents.*'))


def test_two_processes_by_dist_train(config, tmp_path):
    command('bash', TOOLS / 'dist_train.sh', config, '2', '--work-dir', tmp_path / 'out')
    log = next((tmp_path / 'out').glob('*/*.log')).read_text()
    assert '2 samples x 2 processes x 1 accumulated = 4 samples an update' in log
    assert len(recorded(toy_config(tmp_path / 'out'))) == 2 * 2
