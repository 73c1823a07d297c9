import os
import signal

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from runs import toy_config

from amd_mm.engine import ClassesFromDataRunner, build_runner, build_training_runner
from amd_mm.registry import MODELS
from amd_mm.stopping import STOP_SIGNALS, Stopped, stop_signals


class EndHook(Hook):
    """Does something in the second update."""

    def __init__(self, end) -> None:
        self.end = end

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter == 1:
            self.end()


def fail() -> None:
    raise KeyError('a fault')


@pytest.mark.parametrize('end, error', [
    (lambda: None, None), (fail, KeyError),
    (lambda: os.kill(os.getpid(), signal.SIGTERM), Stopped)], ids=['done', 'fault', 'stopped'])
def test_from_python_signals_are_left_as_they_were(tmp_path, end, error):
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    runner = build_training_runner(toy_config(tmp_path))
    runner.register_hook(EndHook(end))
    if error is None:
        runner.train()
    else:
        with pytest.raises(error):
            runner.train()
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


def test_a_command_keeps_the_signals_that_it_has_taken(tmp_path):
    stop_signals.take()
    try:
        runner = build_training_runner(toy_config(tmp_path))
        runner.register_hook(EndHook(fail))
        with pytest.raises(KeyError):
            runner.train()
        assert stop_signals.are_taken
    finally:
        stop_signals.give_back()


def test_a_config_names_its_runner(tmp_path, monkeypatch):
    filled = []
    monkeypatch.setattr('amd_mm.engine.runner.fill_classes',
                        lambda cfg: filled.append(cfg) or ('left', 'right'))
    cfg = toy_config(tmp_path)
    assert type(build_runner(cfg)) is Runner and not filled
    cfg.runner_type, cfg.experiment_name = 'amd_mm.ClassesFromDataRunner', f'{tmp_path} other'
    assert type(build_runner(cfg)) is ClassesFromDataRunner
    # A copy is filled in: the config that was given can be used again.
    assert len(filled) == 1 and filled[0] is not cfg


def test_training_checks_and_settles_before_it_builds(tmp_path, monkeypatch):
    monkeypatch.setattr(MODELS, 'build', None)
    cfg = toy_config(tmp_path, batch_size=2)
    cfg.global_batch_size = 3
    with pytest.raises(ValueError, match='got 3 and 2 x 1 = 2'):
        build_training_runner(cfg)
    cfg.global_batch_size = 4
    cfg.param_scheduler = [dict(type='CosineAnnealingLR', begin=5)]
    with pytest.raises(ValueError, match='must last longer than its warm-up'):
        build_training_runner(cfg)


def test_deterministic_runs_have_what_torch_asks_for(tmp_path, monkeypatch):
    monkeypatch.delenv('CUBLAS_WORKSPACE_CONFIG', raising=False)
    torch.use_deterministic_algorithms(False)  # whatever a command before left in this process
    for wanted in (False, True):
        cfg = toy_config(tmp_path / str(wanted))
        cfg.randomness.deterministic = wanted
        cfg.env_cfg.cudnn_benchmark = True
        try:
            build_training_runner(cfg)
            assert torch.are_deterministic_algorithms_enabled() == wanted
            assert torch.backends.cudnn.benchmark != wanted
            assert ('CUBLAS_WORKSPACE_CONFIG' in os.environ) == wanted
        finally:
            torch.use_deterministic_algorithms(False)
            torch.backends.cudnn.benchmark = torch.backends.cudnn.deterministic = False
