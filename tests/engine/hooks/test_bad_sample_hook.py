import logging
from types import SimpleNamespace

import pytest
import torch
from clips import write_broken_videos, write_video
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import nn

from amd_mm.engine.hooks import bad_sample_hook
from amd_mm.engine.hooks.bad_sample_hook import BadSampleHook


def batch(*reports, repeats=2):
    """One sample for each argument: the bad paths that it replaces."""
    return dict(data_samples=[
        BaseDataElement(metainfo=dict(
            repeat=repeat, **(dict(bad_samples=tuple((p, 'OSError: x') for p in paths))
                              if paths else {})))
        for paths in reports for repeat in range(repeats)])


@pytest.fixture
def runner(tmp_path):
    return SimpleNamespace(
        work_dir=str(tmp_path), logger=logging.getLogger('bad_samples'), iter=0,
        _resume=False)


def run(hook, runner, batches):
    for data_batch in batches:
        hook.after_train_iter(runner, runner.iter, data_batch)
        runner.iter += 1


def listed(runner):
    with open(f'{runner.work_dir}/bad_samples.txt') as stream:
        return stream.read().splitlines()


def test_counts_repeats_once_and_lists_each_file_once(runner, caplog):
    hook = BadSampleHook(max_share=.9)
    run(hook, runner, [batch((), ('a b.mp4', )), batch(('a b.mp4', 'c.mp4'), ()), batch((), ())])
    assert (hook.seen, hook.replaced) == (6, 2)
    assert listed(runner) == ['a b.mp4\tOSError: x', 'c.mp4\tOSError: x']
    assert [('a b.mp4' in text, 'c.mp4' in text) for text in caplog.messages] == [
        (True, False), (False, True)]

    runner._resume = True
    resumed = BadSampleHook(max_share=.9)
    resumed.before_train(runner)
    run(resumed, runner, [batch(('c.mp4', ), ('d.mp4', ))])
    assert [line.split('\t')[0] for line in listed(runner)] == ['a b.mp4', 'c.mp4', 'd.mp4']


def test_new_run_in_an_old_work_dir_lists_anew(runner):
    for name in ('old.mp4', 'both.mp4'):
        run(BadSampleHook(max_share=.9), runner, [batch((name, ))])
    hook = BadSampleHook(max_share=.9)
    hook.before_train(runner)
    run(hook, runner, [batch(('both.mp4', ), ('new.mp4', ))])
    assert [line.split('\t')[0] for line in listed(runner)] == ['both.mp4', 'new.mp4']


def test_names_that_do_not_print_take_one_line_each(runner, caplog):
    hook = BadSampleHook(max_share=.9)
    names = ('caf\udce9.mp4', 'two\nlines.mp4', '\x1b[31m.mp4')
    run(hook, runner, [batch((name, ), ()) for name in names * 2])
    shown = [r'caf\xe9.mp4', r'two\nlines.mp4', r'\x1b[31m.mp4']
    assert listed(runner) == [f'{name}\tOSError: x' for name in shown]
    assert [message.split(': ')[1].split(' (')[0] for message in caplog.messages] == shown
    runner._resume = True
    resumed = BadSampleHook(max_share=.9)
    resumed.before_train(runner)
    run(resumed, runner, [batch((name, ), ()) for name in names])
    assert len(listed(runner)) == 3


def test_nothing_bad_writes_nothing(runner, tmp_path):
    hook = BadSampleHook()
    hook.before_train(runner)
    run(hook, runner, [batch((), ())] * 3)
    hook.after_train_epoch(runner)
    hook.after_train(runner)
    assert hook.seen == 6 and not list(tmp_path.iterdir())


def test_counts_by_kind_when_training_ends(runner, caplog):
    hook = BadSampleHook(max_share=.9)
    data = batch(('a', ), ('b', ), ('c', ))
    reasons = ['has 7 pixels', 'has 12 pixels', 'is gone from its server (tried 4 times)']
    for sample, reason in zip(
            [one for one in data['data_samples'] if one.repeat == 0], reasons, strict=True):
        (path, _), = sample.bad_samples
        sample.set_metainfo(dict(bad_samples=((path, reason), )))
    run(hook, runner, [data])
    hook.after_train(runner)
    assert caplog.messages[-1] == ('Bad samples of this run, by kind: 2 has N pixels, 1 is gone '
                                   'from its server (tried 4 times).')


def test_stops_above_the_share_from_the_minimum_count_on(runner):
    hook = BadSampleHook(max_share=.5, min_count=3)
    # All bad, but fewer than the minimum; then exactly the share; then above it.
    run(hook, runner, [batch(('a', ), ('b', )), batch((), ()), batch(('c', ), ()),
                       batch(('d', ), ())])
    assert (hook.replaced, hook.seen) == (4, 8)
    with pytest.raises(RuntimeError, match='at most 50.0% .* 5 of 9 .* e .*bad_samples.txt'):
        run(hook, runner, [batch(('e', ))])
    assert len(listed(runner)) == 5


def test_processes_count_together(runner, monkeypatch):
    other = []

    def gather(part):
        other.append(part)
        return [part, (4, 2, {'theirs.mp4': 'OSError: y'})]

    monkeypatch.setattr(bad_sample_hook, 'get_world_size', lambda: 2)
    monkeypatch.setattr(bad_sample_hook, 'all_gather_object', gather)
    hook = BadSampleHook(max_share=.5, min_count=2, interval=3)
    run(hook, runner, [batch((), ()), batch((), ('mine.mp4', ))])
    assert not other  # Nothing is exchanged in between.
    run(hook, runner, [batch((), ())])
    assert other == [(6, 1, {'mine.mp4': 'OSError: x'})]
    assert (hook.seen, hook.replaced) == (10, 3)
    assert [line.split('\t')[0] for line in listed(runner)] == ['mine.mp4', 'theirs.mp4']
    hook.after_train_epoch(runner)
    assert other[1] == (0, 0, {}) and hook.seen == 14


@pytest.mark.parametrize('settings,message', [
    (dict(max_share=1), r'max_share .* in \[0, 1\), got 1'),
    (dict(max_share=-.1), 'got -0.1'),
    (dict(min_count=0), 'min_count .* at least 1, got 0'),
    (dict(interval=0), 'interval .* at least 1, got 0')])
def test_wrong_numbers_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        BadSampleHook(**settings)


class Mean(BaseModel):
    """One weight; stands in for a network."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, inputs, data_samples=None, mode='loss'):
        return dict(loss=self.weight * torch.stack([x.float().mean() for x in inputs]).mean())


def train(folder, work_dir, **hook):
    sample = dict(type='amd_mm.SampleStridedFrames', clip_len=4, frame_interval=15)
    dataset = dict(
        type='amd_mm.KeyedDataset', num_repeats=2,
        dataset=dict(
            type='amd_mm.VideoDataset', data_prefix=dict(video=str(folder)),
            pipeline=[dict(type='amd_mm.PyAVInit'), sample, dict(type='amd_mm.PyAVDecode')]),
        pipeline=[
            dict(type='mmaction.FormatShape', input_format='NCTHW'),
            dict(type='mmaction.PackActionInputs')])
    runner = Runner(
        model=Mean(), work_dir=str(work_dir), default_scope='mmengine', log_level='ERROR',
        train_dataloader=dict(
            dataset=dataset, batch_size=2, num_workers=2,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='amd_mm.datasets.collate_repeats')),
        train_cfg=dict(by_epoch=True, max_epochs=2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=.1)),
        default_hooks=dict(checkpoint=None, logger=None), randomness=dict(seed=0),
        experiment_name=work_dir.name)
    hook = BadSampleHook(**hook)
    runner.register_hook(hook)
    runner.train()
    return hook


def test_run_goes_on_or_stops(tmp_path):
    videos = tmp_path / 'videos'
    videos.mkdir()
    bad = write_broken_videos(videos)
    # Used as far as it goes.
    bad.pop('truncated').unlink()
    for number in range(6):
        write_video(videos / f'good {number}.mp4', 60)
    hook = train(videos, tmp_path / 'tolerant', max_share=.6)
    # Two workers, two epochs: each bad file is met once an epoch.
    assert (hook.seen, hook.replaced) == (2 * (len(bad) + 6), 2 * len(bad))
    lines = (tmp_path / 'tolerant' / 'bad_samples.txt').read_text().splitlines()
    assert {line.split('\t')[0] for line in lines} == {str(path) for path in bad.values()}
    assert len(lines) == len(bad)
    with pytest.raises(RuntimeError, match='bad_samples.txt lists them all'):
        train(videos, tmp_path / 'strict', max_share=.05, min_count=3)
