import signal
import threading
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from runs import loaded, recorded, run, toy_config, weights
from toys import ToyData

from amd_mm.datasets.lost_workers import _in_time


@DATASETS.register_module()
class HangingData(ToyData):
    """Sample 3 never comes."""

    def prepare_data(self, index: int) -> dict:
        if index == 3:
            threading.Event().wait()
        return super().prepare_data(index)


def crashing(work_dir: Path, number: int | None, workers: int, **changes) -> Config:
    cfg = toy_config(work_dir, size=20, accumulative_counts=2, max_epochs=2, num_workers=workers)
    cfg.train_dataloader.dataset.dataset.update(type='CrashingData', number=number)
    cfg.train_dataloader.update(changes)
    cfg.custom_hooks.append(dict(type='amd_mm.BadSampleHook', max_share=.9))
    return cfg


@pytest.mark.parametrize('persistent', [True, False])
def test_a_crash_in_a_worker_is_a_bad_sample_and_the_run_goes_on(tmp_path, persistent):
    expected = crashing(tmp_path / 'raises', None, 0)
    run(expected)
    found = crashing(tmp_path / 'crashes', signal.SIGSEGV, 2, persistent_workers=persistent)
    run(found)
    assert [line['keys'] for line in recorded(found)] == [
        line['keys'] for line in recorded(expected)]
    torch.testing.assert_close(
        weights(found, 'epoch_2.pth'), weights(expected, 'epoch_2.pth'), rtol=1e-9, atol=0)
    assert set(loaded(found)) == set(loaded(expected)) == set(range(20)) - {3}
    # Not tried again in the second epoch.
    assert Path(found.work_dir, 'bad_samples.txt').read_text() == (
        '3.toy\tProcessLost: crashed its process (SIGSEGV)\n')


def test_a_worker_that_was_killed_is_no_fault_of_its_sample(tmp_path):
    # Not SIGTERM, which workers leave to the process that trains.
    with pytest.raises(RuntimeError, match=r'lost are .*\(SIGKILL\)'):
        run(crashing(tmp_path, signal.SIGKILL, 2))


def test_a_sample_that_never_comes_ends_the_run_by_name(tmp_path):
    cfg = toy_config(tmp_path, size=20, num_workers=2)
    cfg.train_dataloader.dataset.dataset.type = 'HangingData'
    cfg.train_cfg.wait_limit = 2
    with pytest.raises(RuntimeError, match=r'within 2 s, but worker [01] of the dataloader is '
                       r'still at 3\.toy: see whether the storage answers'):
        run(cfg)


class Slow:
    """Batches of which the second comes after three waits; the timeouts that were asked for."""

    def __init__(self) -> None:
        self.timeouts: list[float] = []

    def __iter__(self):
        return self

    def __next__(self) -> dict:
        self.timeouts.append(self._timeout)
        if len(self.timeouts) in (2, 3, 4):
            raise RuntimeError(f'DataLoader timed out after {self._timeout} seconds')
        if len(self.timeouts) == 6:
            raise StopIteration
        return dict(number=len(self.timeouts))


def test_workers_are_looked_after_while_a_batch_is_waited_for():
    slow = Slow()
    assert list(_in_time(slow, 480)) == [dict(number=1), dict(number=5)]
    assert slow.timeouts == 6 * [5.]
    with pytest.raises(RuntimeError, match='timed out after 5'):
        list(_in_time(Slow(), 15))
    assert list(_in_time(Slow(), 15.5)) == [dict(number=1), dict(number=5)]
