import itertools
import re
from pathlib import Path

import pytest
import torch
from runs import recorded, run, run_processes, spoilt_config, toy_config, weights
from torch.utils._python_dispatch import TorchDispatchMode


@pytest.mark.parametrize('by_epoch, interval, last', [(False, 1, 'iter_6.pth'),
                                                      (True, 1, 'epoch_1.pth')])
@pytest.mark.parametrize('bad_value, message', [
    ('nan', 'the loss is nan. loss_dir = nan, loss_rec = '),
    ('inf', 'the loss is inf. loss_dir = inf, loss_rec = '),
    ('infinite gradient', 'but the norm of its gradient is nan'),
])
def test_a_bad_iteration_stops_the_run_and_the_last_good_checkpoint_stays(
        tmp_path, by_epoch, interval, last, bad_value, message):
    # The bad iteration is the seventh, the second one of epoch 2. One checkpoint is kept:
    # writing the next one would delete the last.
    cfg = toy_config(
        tmp_path, max_epochs=3, model=dict(bad_at=7, bad_value=bad_value),
        checkpoint=dict(type='CheckpointHook', interval=interval, by_epoch=by_epoch,
                        max_keep_ckpts=1))
    with pytest.raises(FloatingPointError) as error:
        run(cfg)
    text = str(error.value)
    assert 'at iteration 7 (epoch 2)' in text
    assert message in text
    # What hangs on the number of calls does not come again.
    assert 'A second pass over the batch gives finite numbers' in text
    assert str(tmp_path / last) in text
    assert [path.name for path in Path(cfg.work_dir).glob('*.pth')] == [last]
    assert all(torch.isfinite(value).all() for value in weights(cfg, last).values())


def test_without_a_checkpoint_the_message_says_so(tmp_path):
    cfg = toy_config(tmp_path, model=dict(bad_at=1))
    with pytest.raises(FloatingPointError, match='No checkpoint was saved yet'):
        run(cfg)


@pytest.mark.parametrize('factor, way, message', [
    ('1000', 'forward', r'not finite: net\.1 \(Cliff\) for sample \d \(3\.toy\), \d \(3\.toy\), '
     r'whose input is in \[-\d+[\d.]*, \d+[\d.]*\]\. Kept in'),
    ('1000', 'backward', r'not finite: the gradient of net\.1 \(Cliff\) for sample .*3\.toy'),
    ('nan', 'forward', r'not finite: data_preprocessor \(BaseDataPreprocessor\) for sample .*'
     r'3\.toy'),
])
def test_the_part_and_the_sample_are_named(tmp_path, factor, way, message):
    cfg = spoilt_config(tmp_path, [3], factor, way)
    with pytest.raises(FloatingPointError) as error:
        run(cfg)
    assert re.search(message, str(error.value)), str(error.value)


def test_a_skipped_update_changes_nothing(tmp_path):
    cfg = spoilt_config(tmp_path / 'one', [3], size=16, action='skip')
    runner = run(cfg)
    skipped, = runner.message_hub.runtime_info['loss_history']['skipped']
    before, after = (weights(cfg, f'iter_{skipped + n}.pth') for n in (0, 1))
    torch.testing.assert_close(dict(after), dict(before), rtol=0, atol=0)
    states = [torch.load(Path(cfg.work_dir, f'iter_{skipped + n}.pth'), weights_only=False)
              ['optimizer']['state'] for n in (0, 1)]
    torch.testing.assert_close(states[1], states[0], rtol=0, atol=0)
    assert not torch.equal(weights(cfg, 'iter_8.pth')['net.0.weight'], after['net.0.weight'])


def test_updates_that_are_skipped_are_bounded_over_resuming(tmp_path):
    cfg = spoilt_config(tmp_path, list(range(8)), size=8, action='skip', max_skipped=2)
    with pytest.raises(FloatingPointError, match='at iteration 3 '):
        run(cfg)
    rest = spoilt_config(tmp_path, list(range(8)), size=8, action='skip', max_skipped=2)
    rest.update(resume=True, load_from=str(tmp_path / 'iter_1.pth'))
    with pytest.raises(FloatingPointError, match='at iteration 3 '):
        run(rest)


class HostReads(TorchDispatchMode):
    """Counts numbers that the host asks the device for, each of which waits for it."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_an_update_waits_for_the_device_twice(tmp_path):
    """Once before it, once after: as often as the loss and the weights were looked at before."""
    counts = []
    for hook in (True, False):
        cfg = toy_config(tmp_path / str(hook), size=8, max_epochs=1)
        cfg.custom_hooks = [dict(type='amd_mm.NonFiniteLossHook')] if hook else []
        with HostReads() as reads:
            run(cfg)
        counts.append(reads.count)
    assert counts[0] - counts[1] <= 2 * 2 * 4  # two numbers in the first look


@pytest.mark.slow
def test_skipped_updates_keep_processes_equal(tmp_path):
    cfg = spoilt_config(tmp_path, [3], size=32, action='skip')
    cfg.custom_hooks.append(dict(type='KeepHook'))
    run_processes(2, cfg)
    one, other = ([torch.load(tmp_path / f'kept_{rank}_{done}.pth') for done in range(1, 9)]
                  for rank in range(2))
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    stood = [all(torch.equal(before[name], after[name]) for name in before)
             for before, after in itertools.pairwise(one)]
    assert stood.count(True) == 1
    lines = recorded(cfg)
    assert len(lines) == 8
    # One process had it; both say so, and one has written.
    assert len(list((tmp_path / 'faults').iterdir())) == 1
