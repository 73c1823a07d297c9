import os
import signal
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from runs import loaded, recorded, run, toy_config, weights
from toys import ToyData

# 18 samples make 4 updates of 2 x 2, and 2 samples are left out of each epoch.
RUN = dict(size=18, accumulative_counts=2, max_epochs=3)
BY_ITERATION = dict(type='CheckpointHook', interval=2, by_epoch=False)
BY_EPOCH = dict(type='CheckpointHook', interval=1)
ITERATIONS = 12


@DATASETS.register_module()
class TroubledData(ToyData):
    """Sample 3 hangs and sample 8 crashes its process; or both raise an exception."""

    def __init__(self, polite: bool, **kwargs) -> None:
        super().__init__(**kwargs)
        self.polite = polite

    def prepare_data(self, index: int) -> dict:
        if index in (3, 8) and self.polite:
            raise OSError('bad')
        if index == 3:
            signal.setitimer(signal.ITIMER_REAL, .01)  # the alarm of the time limit, sooner
            time.sleep(600)
        if index == 8:
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().prepare_data(index)


def resumed(work_dir: Path, source: Path, **kwargs) -> Config:
    cfg = toy_config(work_dir, **RUN, **kwargs)
    cfg.resume, cfg.load_from = True, str(source)
    run(cfg)
    return cfg


def assert_same_from(start: int, whole: Config, rest: Config, samples: int = 4) -> None:
    expected, found = recorded(whole)[start:], recorded(rest)
    assert len(found) == len(expected) == ITERATIONS - start
    for one, other in zip(expected, found, strict=True):
        # Keys hold seed, epoch and index: equal keys are equal data, in the same order.
        for name in ('iteration', 'epoch', 'batch_idx', 'keys', 'lr'):
            assert one[name] == other[name]
        assert one['losses'] == pytest.approx(other['losses'], rel=1e-6)
    # None of them from before the checkpoint.
    assert len(loaded(rest)) == samples * (ITERATIONS - start)


@pytest.fixture(scope='module')
def by_iteration(tmp_path_factory) -> Config:
    cfg = toy_config(tmp_path_factory.mktemp('whole'), checkpoint=BY_ITERATION, **RUN)
    run(cfg)
    return cfg


def test_uninterrupted_run(by_iteration):
    lines = recorded(by_iteration)
    assert [line['batch_idx'] for line in lines] == 3 * [0, 1, 2, 3]
    assert len({key for line in lines for key in line['keys']}) == 2 * 4 * ITERATIONS
    assert loaded(by_iteration)[:16] != loaded(by_iteration)[16:32]


@pytest.mark.slow
@pytest.mark.parametrize('num_workers', [0, 2])
@pytest.mark.parametrize('iteration', [2, 4, 6])
def test_resumed_from_an_iteration_equals_uninterrupted(
        by_iteration, tmp_path, iteration, num_workers):
    checkpoint = Path(by_iteration.work_dir, f'iter_{iteration}.pth')
    rest = resumed(tmp_path, checkpoint, checkpoint=BY_ITERATION, num_workers=num_workers)
    assert_same_from(iteration, by_iteration, rest)
    torch.testing.assert_close(
        weights(rest, 'iter_12.pth'), weights(by_iteration, 'iter_12.pth'), rtol=1e-9, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize('num_workers', [0, 2])
def test_resumed_from_an_epoch_equals_uninterrupted(tmp_path, num_workers):
    whole = toy_config(tmp_path / 'whole', checkpoint=BY_EPOCH, num_workers=num_workers, **RUN)
    run(whole)
    rest = resumed(tmp_path / 'rest', tmp_path / 'whole' / 'epoch_1.pth', checkpoint=BY_EPOCH,
                   num_workers=num_workers)
    assert_same_from(4, whole, rest)
    torch.testing.assert_close(
        weights(rest, 'epoch_3.pth'), weights(whole, 'epoch_3.pth'), rtol=1e-9, atol=0)


def test_resuming_restores_a_seed_that_no_config_names(tmp_path):
    whole = toy_config(tmp_path / 'whole', checkpoint=BY_ITERATION, **RUN)
    whole.randomness = dict(seed=None)
    run(whole)
    rest = toy_config(tmp_path / 'rest', checkpoint=BY_ITERATION, **RUN)
    rest.update(randomness=dict(seed=None), resume=True,
                load_from=str(tmp_path / 'whole' / 'iter_2.pth'))
    run(rest)
    assert_same_from(2, whole, rest)


def test_the_hosts_loop_resumes_from_an_epoch(tmp_path):
    run_alone = dict(RUN, size=8, accumulative_counts=1)
    whole = toy_config(tmp_path / 'whole', checkpoint=BY_EPOCH, **run_alone)
    whole.train_cfg = dict(by_epoch=True, max_epochs=3)
    run(whole)
    rest = toy_config(tmp_path / 'rest', checkpoint=BY_EPOCH, **run_alone)
    rest.train_cfg = whole.train_cfg
    rest.update(resume=True, load_from=str(tmp_path / 'whole' / 'epoch_2.pth'))
    run(rest)
    assert_same_from(8, whole, rest, samples=2)


@pytest.mark.slow
def test_an_iteration_is_an_update_at_its_own_rate(by_iteration, tmp_path):
    """Accumulating changes neither weights, rates, logged losses nor their number."""
    at_once = toy_config(tmp_path, **dict(RUN, accumulative_counts=1, batch_size=4))
    at_once.default_hooks.checkpoint = BY_ITERATION
    run(at_once)
    expected, found = recorded(at_once), recorded(by_iteration)
    assert len(found) == len(expected) == ITERATIONS
    for one, other in zip(expected, found, strict=True):
        for name in ('iteration', 'epoch', 'batch_idx', 'lr'):
            assert one[name] == other[name]
        assert sorted(one['keys']) == sorted(other['keys'])
        assert one['losses'] == pytest.approx(other['losses'], rel=1e-9)
    torch.testing.assert_close(
        weights(by_iteration, 'iter_12.pth'), weights(at_once, 'iter_12.pth'), rtol=1e-9, atol=0)


@pytest.mark.parametrize('iteration', [2, 6])
def test_resumed_with_another_share_of_the_batch(by_iteration, tmp_path, iteration):
    """What another number of processes changes: batches of another size, as many samples."""
    cfg = toy_config(tmp_path, **dict(RUN, batch_size=1, accumulative_counts=4))
    cfg.default_hooks.checkpoint = BY_ITERATION
    cfg.update(resume=True, load_from=str(Path(by_iteration.work_dir, f'iter_{iteration}.pth')))
    run(cfg)
    assert [line['keys'] for line in recorded(cfg)] == [
        line['keys'] for line in recorded(by_iteration)[iteration:]]
    torch.testing.assert_close(
        weights(cfg, 'iter_12.pth'), weights(by_iteration, 'iter_12.pth'), rtol=1e-9, atol=0)


@pytest.mark.slow
def test_what_a_step_draws_hangs_on_seed_iteration_batch_and_rank(tmp_path):
    def drawn(name: str, **changes) -> list[tuple]:
        cfg = toy_config(tmp_path / name, **RUN)
        cfg.custom_hooks = [dict(type='RecordHook')]
        cfg.model.draws = str(tmp_path / f'{name}.txt')
        cfg.update(changes)
        run(cfg)
        return [tuple(line.split()) for line in (tmp_path / f'{name}.txt').open()]

    whole = drawn('whole')
    assert len(whole) == len(set(whole)) == 2 * ITERATIONS
    # Of torch, numpy and Python alike.
    assert all(len(set(numbers)) == len(whole) for numbers in zip(*whole, strict=True))
    checkpoint = str(tmp_path / 'whole' / 'epoch_1.pth')
    assert drawn('rest', resume=True, load_from=checkpoint) == whole[8:]
    assert set(drawn('other', randomness=dict(seed=1))).isdisjoint(whole)


def test_another_sampler_is_refused(tmp_path):
    cfg = toy_config(tmp_path)
    cfg.train_dataloader.sampler = dict(type='DefaultSampler')
    with pytest.raises(ValueError, match='amd_mm.EpochSampler, got DefaultSampler'):
        run(cfg)


def test_resuming_with_other_epochs_is_refused(by_iteration, tmp_path):
    cfg = toy_config(tmp_path, **dict(RUN, size=30))
    cfg.update(resume=True, load_from=str(Path(by_iteration.work_dir, 'iter_6.pth')))
    with pytest.raises(ValueError, match='iteration 6 in epoch 2, but an epoch now has 7'):
        run(cfg)


def test_resuming_with_another_batch_is_refused(by_iteration, tmp_path):
    cfg = toy_config(tmp_path, batch_size=1, **RUN)
    cfg.update(resume=True, load_from=str(Path(by_iteration.work_dir, 'iter_2.pth')))
    with pytest.raises(ValueError, match='started with, 4 samples an update .* got 2'):
        run(cfg)


@pytest.mark.slow
@pytest.mark.parametrize('num_workers', [0, 2])
def test_files_that_hang_or_crash_are_replaced_like_any_bad_file(tmp_path, num_workers):
    def trained(name: str, polite: bool, num_workers: int = 0) -> Config:
        cfg = toy_config(tmp_path / name, num_workers=num_workers, **RUN)
        cfg.train_dataloader.dataset.dataset.update(type='TroubledData', polite=polite)
        cfg.train_dataloader.dataset.time_limit = None if polite else 60
        cfg.custom_hooks.append(dict(type='amd_mm.BadSampleHook', max_share=.9))
        run(cfg)
        return cfg

    expected = trained('polite', True)
    found = trained('rude', False, num_workers)
    assert [line['keys'] for line in recorded(found)] == [
        line['keys'] for line in recorded(expected)]
    torch.testing.assert_close(
        weights(found, 'epoch_3.pth'), weights(expected, 'epoch_3.pth'), rtol=1e-9, atol=0)
    lines = sorted(Path(found.work_dir, 'bad_samples.txt').read_text().splitlines())
    assert lines == ['3.toy\tProcessLost: no end within the time_limit of 60 s',
                     '8.toy\tProcessLost: crashed its process (SIGSEGV)']
