"""Evaluations with samples that raise, or crash the worker that loads them."""
import signal
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS
from runs import run, run_processes, toy_config
from toys import CrashingData, ToyModel

from amd_mm.engine import LenientValLoop, build_runner


@MODELS.register_module()
class SumModel(ToyModel):
    """Predicts one thing a batch."""

    def forward(self, inputs, data_samples, mode):
        found = super().forward(inputs, data_samples, mode)
        return found[:1] if mode == 'predict' else found


def config(work_dir: Path, size: int = 7, number: int | None = signal.SIGSEGV, workers: int = 2,
           batch_size: int = 2) -> Config:
    """Sample 3 of the test data is a bad one, unless ``number`` is 0."""
    cfg = toy_config(work_dir)
    cfg.test_dataloader.update(batch_size=batch_size, num_workers=workers,
                               persistent_workers=workers > 0)
    cfg.test_dataloader.dataset.size = size
    if number != 0:
        cfg.test_dataloader.dataset.update(type='CrashingData', number=number)
    return cfg


def errors(cfg: Config) -> tuple[dict, list[float]]:
    """The metrics, and what they are the mean of."""
    cfg.load_from = None
    runner = build_runner(cfg)
    metric = runner.test_evaluator.metrics[0]
    results: list[float] = []
    compute = metric.compute_metrics
    metric.compute_metrics = lambda found: (results.extend(map(float, found)), compute(found))[1]
    return runner.test(), results


@pytest.mark.parametrize('number, workers, batch_size', [
    (signal.SIGSEGV, 2, 2), (signal.SIGABRT, 1, 1), (None, 2, 2), (None, 0, 1)])
def test_a_bad_sample_is_left_out_by_name(tmp_path, number, workers, batch_size):
    _, whole = errors(config(tmp_path / 'whole', number=0))
    assert len(whole) == 7
    metrics, found = errors(config(tmp_path / 'bad', number=number, workers=workers,
                                   batch_size=batch_size))
    expected = whole[:3] + whole[4:]
    assert found == pytest.approx(expected, rel=1e-12)
    assert metrics == dict(error=pytest.approx(sum(expected) / 6), left_out=1)
    reason = 'OSError: bad' if number is None else f'crashed its process ({number.name})'
    line = (tmp_path / 'bad/bad_samples.txt').read_text()
    assert line.startswith('3.toy\t') and line.count('\n') == 1
    assert reason in line


def test_a_validation_goes_on_and_again_at_the_next_epoch(tmp_path):
    cfg = config(tmp_path)
    cfg.update(val_dataloader=cfg.test_dataloader, val_cfg=dict(type='ValLoop'),
               val_evaluator=cfg.test_evaluator)
    runner = run(cfg)
    assert isinstance(runner.val_loop, LenientValLoop)
    assert runner.message_hub.get_scalar('val/left_out').data[0].tolist() == [1, 1]
    assert (tmp_path / 'bad_samples.txt').read_text().count('3.toy') == 1
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert log.count('Bad sample, left out of the evaluation: 3.toy') == 1


def test_too_many_end_it(tmp_path):
    cfg = config(tmp_path, size=40, number=None)
    cfg.test_dataloader.dataset.type = 'EveryThirdTestData'
    with pytest.raises(RuntimeError, match=r'at most 5.0% .* but 13 of 40 could not be loaded, one '
                       r'of them 2.toy \(OSError: bad\).*max_share'):
        build_runner(cfg).test()
    cfg.test_cfg = dict(type='amd_mm.LenientTestLoop', max_share=.4)
    cfg.experiment_name += '_'
    assert build_runner(cfg).test()['left_out'] == 13


@DATASETS.register_module()
class EveryThirdTestData(CrashingData):

    def prepare_data(self, index: int) -> dict:
        return super().prepare_data(3 if index % 3 == 2 else 0)


def test_nothing_to_go_on_with_ends_it_at_once(tmp_path):
    cfg = config(tmp_path, size=1, number=None, workers=0)
    cfg.test_dataloader.dataset.type = 'NoTestData'
    with pytest.raises(RuntimeError, match='none is, the first of them 0.toy: OSError: bad'):
        build_runner(cfg).test()


@DATASETS.register_module()
class NoTestData(CrashingData):

    def prepare_data(self, index: int) -> dict:
        return super().prepare_data(3)


def test_outputs_that_are_no_samples_cannot_be_left_out(tmp_path):
    cfg = config(tmp_path, number=None)
    cfg.model.type = 'SumModel'
    with pytest.raises(ValueError, match='3.toy: .* gives 1 for 2 samples; mend or remove'):
        build_runner(cfg).test()


def test_a_keyed_data_set_says_what_it_replaced(tmp_path):
    cfg = config(tmp_path)
    cfg.test_dataloader = dict(
        cfg.train_dataloader, num_workers=1, batch_size=1,
        sampler=dict(type='amd_mm.EpochSampler', shuffle=False, seed=0))
    cfg.test_dataloader.dataset.dataset.update(type='CrashingData', number=int(signal.SIGSEGV))
    for _ in range(2):
        runner = build_runner(cfg)
        assert runner.test()['replaced'] == 1
        cfg.experiment_name += '_'


@pytest.mark.slow
def test_two_processes_leave_out_as_one_and_count_nothing_twice(tmp_path):
    cfgs = [config(tmp_path / name, number=number, size=5, batch_size=1)
            for name, number in (('whole', 0), ('bad', int(signal.SIGSEGV)))]
    for cfg in cfgs:
        cfg.update(val_dataloader=cfg.test_dataloader, val_cfg=dict(),
                   val_evaluator=[dict(type='ToyErrors', file=f'{cfg.work_dir}/errors.txt')])
        cfg.train_cfg.max_epochs = 1
    run_processes(2, *cfgs)
    whole, bad = (sorted(Path(cfg.work_dir, 'errors.txt').read_text().split()) for cfg in cfgs)
    assert len(whole) == 5
    assert len(bad) == 4 and set(bad) < set(whole)
