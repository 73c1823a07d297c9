import os

import pytest
import torch
from mmengine.runner import Runner
from runs import toy_config

from amd_mm.engine import ClassesFromDataRunner, build_runner, build_training_runner
from amd_mm.registry import MODELS


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
