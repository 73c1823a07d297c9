import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from runs import run, toy_config


def logged(cfg: Config) -> Config:
    cfg.log_level = 'INFO'
    cfg.custom_hooks.append(dict(type='amd_mm.EffectiveBatchHook'))
    return cfg


def test_batch_and_learning_rate_are_logged(tmp_path):
    cfg = logged(toy_config(tmp_path, size=20, batch_size=3, accumulative_counts=2))
    run(cfg)
    log = next(tmp_path.glob('*/*.log')).read_text()
    # the toy data set repeats each sample twice; the warm-up starts from a tenth
    assert ('3 samples x 1 processes x 2 accumulated = 6 samples an update '
            '(x 2 repeats = 12). Learning rate: 0.02, at this start 0.002.') in log
    assert 'belongs to' not in log


def test_a_rate_of_another_batch_is_warned_about(tmp_path):
    cfg = logged(toy_config(tmp_path, size=20, batch_size=3))
    cfg.auto_scale_lr = dict(base_batch_size=12, enable=False)
    run(cfg)
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert ('learning rate 0.02 belongs to 12 samples an update, and an update sees 3: '
            '--auto-scale-lr makes it 0.005') in log


def test_a_command_that_does_not_settle_the_batch_is_stopped(tmp_path):
    cfg = logged(toy_config(tmp_path, size=20, batch_size=3))
    cfg.global_batch_size = 6
    with pytest.raises(ValueError, match=r'6 samples, got 3 x 1 processes x 1 accumulated = 3'):
        Runner.from_cfg(cfg).train()


@pytest.mark.parametrize('steps', [1, 2])
def test_a_warm_up_that_never_ends_is_warned_about(tmp_path, steps):
    cfg = logged(toy_config(tmp_path, size=4, max_epochs=1))
    cfg.param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=steps)]
    runner = run(cfg)
    rate = runner.optim_wrapper.optimizer.param_groups[0]['lr']
    assert rate == pytest.approx({1: .002, 2: .02}[steps])
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert ('takes a single step, so that the rate stays 0.1 of' in log) == (steps == 1)
