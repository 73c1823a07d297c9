import itertools
import sys
from pathlib import Path

import pytest
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


def test_an_interrupted_run_is_resumed(monkeypatch, config, tmp_path):
    whole = toy_config(tmp_path / 'whole', max_epochs=2)
    run(whole)
    work_dir = ['--work-dir', str(tmp_path / 'parts')]
    with pytest.raises(SystemExit, match='2'):
        # --resume without a checkpoint starts from the beginning
        train(monkeypatch, config, *work_dir, '--resume', '--cfg-options', 'model.bad_at=8')
    log = train(monkeypatch, config, *work_dir, '--resume')
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
