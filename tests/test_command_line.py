import pytest
from mmengine.config import Config

from amd_mm.command_line import enable_amp


def test_amp_turns_on_bfloat16_without_a_loss_scale():
    cfg = Config(dict(optim_wrapper=dict(optimizer=dict(type='SGD', lr=1), accumulative_counts=2)))
    enable_amp(cfg)
    assert cfg.optim_wrapper.to_dict() == dict(
        type='AmpOptimWrapper', dtype='bfloat16', loss_scale=dict(enabled=False),
        optimizer=dict(type='SGD', lr=1), accumulative_counts=2)


def test_amp_leaves_a_config_that_has_it():
    wrapper = dict(type='mmengine.AmpOptimWrapper', dtype='float16', loss_scale='dynamic')
    cfg = Config(dict(optim_wrapper=wrapper))
    enable_amp(cfg)
    assert cfg.optim_wrapper.to_dict() == wrapper


def test_amp_refuses_another_wrapper():
    with pytest.raises(ValueError, match='got ApexOptimWrapper'):
        enable_amp(Config(dict(optim_wrapper=dict(type='ApexOptimWrapper'))))
