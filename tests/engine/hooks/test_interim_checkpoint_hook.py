"""What is saved within an epoch; whole commands that are stopped are in tests/integration."""
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from runs import HELPERS, command, run, toy_config

from amd_mm.engine import build_training_runner, whole_file
from amd_mm.engine.hooks import InterimCheckpointHook
from amd_mm.stopping import STOPPED, Stopped, stop_signals


class SignalHook(Hook):
    """Sends this process a signal in an update, counted from 0."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.iter == self.iteration:
            os.kill(os.getpid(), signal.SIGUSR1)


def told_at(cfg, iteration):
    runner = build_training_runner(cfg)
    runner.register_hook(SignalHook(iteration))
    with pytest.raises(Stopped) as stopped:
        runner.train()
    assert not stop_signals.are_taken
    return stopped.value


def by_iterations(work_dir):
    """A run of MMEngine's loop without epochs, over data in the order of its endless sampler."""
    cfg = toy_config(work_dir)
    cfg.train_dataloader = dict(
        dataset=cfg.train_dataloader.dataset.dataset, batch_size=2, num_workers=0,
        sampler=dict(type='InfiniteSampler', shuffle=True))
    cfg.train_cfg = dict(by_epoch=False, max_iters=9)
    cfg.param_scheduler = cfg.param_scheduler[:1]
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=5)
    return cfg


@pytest.mark.parametrize('config', [toy_config, by_iterations])
def test_a_stopped_run_goes_on_to_the_weights_of_one_that_was_not(tmp_path, config):
    whole = run(config(tmp_path / 'whole'))
    cfg = config(tmp_path / 'stopped')
    stopped = told_at(cfg, iteration=2)
    assert stopped.code == STOPPED
    assert 'stopped by SIGUSR1 after iteration 3: saved' in str(stopped)
    assert [path.name for path in (tmp_path / 'stopped').glob('*.pth')] == ['iter_3.pth']
    assert_same_end(resume(config(tmp_path / 'stopped')), whole)


def assert_same_end(resumed, whole):
    assert resumed.iter == whole.iter
    for found, wanted in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(found, wanted)


def resume(cfg):
    cfg.resume = True
    cfg.experiment_name += '_again'
    return run(cfg)


def validated(work_dir):
    cfg = toy_config(work_dir)
    cfg.update(val_dataloader=cfg.test_dataloader, val_cfg=dict(), val_evaluator=cfg.test_evaluator)
    return cfg


class ValSignalHook(Hook):
    """Sends this process a signal in the first validation, and counts batches."""

    def __init__(self) -> None:
        self.batches = 0

    def before_val_iter(self, runner, batch_idx, data_batch=None) -> None:
        self.batches += 1
        os.kill(os.getpid(), signal.SIGTERM)


def test_told_while_validating_it_saves_and_validates_anew(tmp_path):
    whole = run(validated(tmp_path / 'whole'))
    runner, hook = build_training_runner(validated(tmp_path / 'stopped')), ValSignalHook()
    runner.register_hook(hook)
    with pytest.raises(Stopped, match='stopped by SIGTERM after iteration 5: saved .*iter_5.pth'):
        runner.train()
    assert hook.batches == 1
    resumed = resume(validated(tmp_path / 'stopped'))
    assert_same_end(resumed, whole)
    errors = [[json.loads(line)['error']
               for path in sorted(tmp_path.glob(f'{name}/*/vis_data/scalars.json'))
               for line in path.read_text().splitlines() if '"error"' in line]
              for name in ('whole', 'stopped')]
    assert len(errors[0]) == 2 and errors[0] == errors[1]


@pytest.mark.parametrize('background', [False, True])
def test_told_while_a_checkpoint_is_written_it_is_written_to_its_end(
        tmp_path, monkeypatch, background):
    whole = run(toy_config(tmp_path / 'whole'))
    write = whole_file._write_once

    def told(path, content):
        if path.name == 'epoch_1.pth':
            os.kill(os.getpid(), signal.SIGTERM)
        write(path, content)

    monkeypatch.setattr(whole_file, '_write_once', told)
    hook = dict(type='amd_mm.WholeCheckpointHook', interval=1, background=background)
    with pytest.raises(Stopped, match='stopped by SIGTERM after iteration [67]: saved'):
        run(toy_config(tmp_path / 'stopped', checkpoint=hook))
    assert (tmp_path / 'stopped/epoch_1.pth').exists()
    assert not list((tmp_path / 'stopped').glob('.*.part'))
    assert_same_end(resume(toy_config(tmp_path / 'stopped', checkpoint=hook)), whole)


def test_told_while_waiting_for_data_it_gets_them_and_leaves_no_worker(tmp_path):
    whole = run(toy_config(tmp_path / 'whole'))
    cfg = toy_config(tmp_path / 'stopped', num_workers=2)
    cfg.train_dataloader.dataset.dataset.type = 'TellingData'
    cfg.dump(tmp_path / 'config.py')
    with pytest.raises(RuntimeError, match='failed'):  # status 75
        command('python', HELPERS / 'run_config.py', tmp_path / 'config.py')
    saved, = (tmp_path / 'stopped').glob('iter_[1-5].pth')
    worker, = (tmp_path / 'stopped/told').read_text().split()
    stat = Path('/proc', worker, 'stat')
    assert not stat.exists() or ' Z ' in stat.read_text()
    assert_same_end(resume(toy_config(tmp_path / 'stopped')), whole)


def test_a_checkpoint_by_time_replaces_the_one_before(tmp_path, monkeypatch):
    # Ten minutes go by with each look at the clock.
    now = iter(range(0, 10**6, 600))
    monkeypatch.setattr('amd_mm.engine.hooks.interim_checkpoint_hook.time',
                        SimpleNamespace(monotonic=lambda: float(next(now))))
    cfg = toy_config(tmp_path, max_epochs=1,
                     checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1))
    cfg.custom_hooks.append(dict(type='amd_mm.InterimCheckpointHook', minutes=15))
    run(cfg)
    names = sorted(path.name for path in tmp_path.glob('*.pth'))
    assert names[0] == 'epoch_1.pth' and len(names) == 2 and names[1].startswith('iter_')


def test_without_a_hook_that_saves_the_message_says_so(tmp_path):
    cfg = toy_config(tmp_path)
    cfg.default_hooks.checkpoint = None
    assert 'nothing is saved' in str(told_at(cfg, iteration=0))


def test_no_minutes_below_zero():
    with pytest.raises(ValueError, match='minutes'):
        InterimCheckpointHook(minutes=0)
