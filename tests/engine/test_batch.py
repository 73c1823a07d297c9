import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from runs import run, toy_config

from amd_mm.engine import batches_an_update, build_training_runner, settle_accumulation
from amd_mm.engine.batch import count_processes


@pytest.mark.parametrize('counts', [1, 2, 4])
def test_automatic_learning_rate_counts_accumulation(tmp_path, counts):
    cfg = toy_config(tmp_path / str(counts), size=16, batch_size=2, accumulative_counts=counts,
                     optimizer=dict(type='SGD', lr=0.1))
    cfg.auto_scale_lr = dict(enable=True, base_batch_size=4)
    runner = build_training_runner(cfg)
    runner.train()
    rate = runner.optim_wrapper.optimizer.param_groups[0]['initial_lr']
    assert rate == pytest.approx(0.1 * 2 * counts / 4)
    # a second run from the config in the work dir gets the same rate
    assert runner.cfg.auto_scale_lr.base_batch_size == 4


def test_a_fixed_learning_rate_stays(tmp_path):
    cfg = toy_config(tmp_path, accumulative_counts=2, optimizer=dict(type='SGD', lr=0.1))
    cfg.auto_scale_lr = dict(enable=False, base_batch_size=4)
    runner = run(cfg)
    assert runner.optim_wrapper.optimizer.param_groups[0]['initial_lr'] == 0.1


@pytest.mark.parametrize('batch_size, processes, counts', [(16, 32, 1), (16, 8, 4), (8, 1, 64)])
def test_accumulation_follows_from_the_processes(batch_size, processes, counts):
    assert batches_an_update(512, batch_size, processes) == counts


@pytest.mark.parametrize('global_batch, batch_size, processes', [(512, 16, 3), (8, 16, 1)])
def test_a_batch_that_cannot_be_made_up_is_refused(global_batch, batch_size, processes):
    with pytest.raises(ValueError, match=f'got {global_batch} and {batch_size} x {processes} = '
                                         f'{batch_size * processes}; change'):
        batches_an_update(global_batch, batch_size, processes)


@pytest.mark.parametrize('launcher, name', [
    ('pytorch', 'WORLD_SIZE'), ('slurm', 'SLURM_NTASKS'), ('mpi', 'OMPI_COMM_WORLD_SIZE')])
def test_processes_are_counted_before_they_meet(monkeypatch, launcher, name):
    monkeypatch.setenv(name, '6')
    assert count_processes(launcher) == 6
    assert count_processes('none') == 1


def test_a_config_without_a_global_batch_stays(tmp_path):
    cfg = toy_config(tmp_path, accumulative_counts=3)
    settle_accumulation(cfg)
    assert cfg.optim_wrapper.accumulative_counts == 3
    cfg.global_batch_size = 8
    settle_accumulation(cfg)
    assert cfg.optim_wrapper.accumulative_counts == 4


def test_testing_settles_nothing():
    cfg = Config(dict(global_batch_size=8, optim_wrapper=dict()))
    settle_accumulation(cfg)
    assert cfg.optim_wrapper == {}


def test_the_runner_has_the_accumulation(tmp_path):
    cfg = toy_config(tmp_path, size=16)
    cfg.global_batch_size = 8
    runner = build_training_runner(cfg)
    assert isinstance(runner, Runner)
    runner.train()
    assert runner.optim_wrapper._accumulative_counts == 4
    # 16 samples are 2 updates, 2 epochs
    assert runner.iter == 4
