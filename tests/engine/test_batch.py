import pytest
from mmengine.runner import Runner
from runs import toy_config

from amd_mm.engine import EffectiveBatchHook, count_accumulation


def test_batch_and_learning_rate_are_logged(tmp_path):
    cfg = toy_config(tmp_path, size=20, batch_size=3, accumulative_counts=2)
    cfg.log_level = 'INFO'
    runner = Runner.from_cfg(cfg)
    runner.register_hook(EffectiveBatchHook())
    runner.train()
    log = next(tmp_path.glob('*/*.log')).read_text()
    # the toy data set repeats each sample twice; the warm-up starts from a tenth
    assert ('3 samples x 1 processes x 2 accumulated = 6 samples an update '
            '(x 2 repeats = 12). Learning rate: 0.02, at this start 0.002.') in log


@pytest.mark.parametrize('counts', [1, 2, 4])
def test_automatic_learning_rate_counts_accumulation(tmp_path, counts):
    cfg = toy_config(tmp_path / str(counts), size=16, batch_size=2, accumulative_counts=counts,
                     optimizer=dict(type='SGD', lr=0.1))
    cfg.auto_scale_lr = dict(enable=True, base_batch_size=4)
    runner = Runner.from_cfg(cfg)
    count_accumulation(runner)
    runner.train()
    rate = runner.optim_wrapper.optimizer.param_groups[0]['initial_lr']
    assert rate == pytest.approx(0.1 * 2 * counts / 4)
    # a second run from the config in the work dir gets the same rate
    assert runner.cfg.auto_scale_lr.base_batch_size == 4


def test_a_fixed_learning_rate_stays(tmp_path):
    cfg = toy_config(tmp_path, accumulative_counts=2, optimizer=dict(type='SGD', lr=0.1))
    cfg.auto_scale_lr = dict(enable=False, base_batch_size=4)
    runner = Runner.from_cfg(cfg)
    count_accumulation(runner)
    runner.train()
    assert runner.optim_wrapper.optimizer.param_groups[0]['initial_lr'] == 0.1
