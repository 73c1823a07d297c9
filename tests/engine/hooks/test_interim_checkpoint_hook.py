"""What is saved within an epoch; whole commands that are stopped are in tests/integration."""
import os
import signal
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from runs import run, toy_config

from amd_mm.engine import build_training_runner
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
    again = config(tmp_path / 'stopped')
    again.resume = True
    resumed = run(again)
    assert resumed.iter == whole.iter
    for found, wanted in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(found, wanted)


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
