"""Teachers whose weights are shared out, and students trained by MMEngine's strategies."""
import re
from pathlib import Path

import pytest
import torch
from clips import write_video
from golden import amd_video_config
from mmengine.config import Config
from recipes import CONFIGS, ENCODERS, encoder_size
from runs import command, recorded, run_processes, toy_config, weights

from amd_mm.registry import MODELS

pytestmark = pytest.mark.filterwarnings('ignore:The teacher has random weights')

LEAVES = sorted((CONFIGS / 'amd' / 'large_teachers').glob('*.py'))
TRAIN = CONFIGS.parent / 'tools' / 'train.py'


def amd_config(work_dir: Path, **teacher) -> Config:
    """Two updates of the tiny AMD on made clips, with all that a recipe's optimizer does."""
    cfg = toy_config(work_dir, batch_size=2, max_epochs=2,
                     optimizer=dict(type='AdamW', lr=1e-3, eps=1e-3, weight_decay=.5))
    cfg.optim_wrapper.update(
        clip_grad=dict(max_norm=.02), paramwise_cfg=dict(flat_decay_mult=0.))
    cfg.custom_hooks += [dict(type=f'amd_mm.{name}') for name in (
        'BadSampleHook', 'EffectiveBatchHook', 'ThroughputHook')]
    for number in range(4):
        write_video(work_dir / f'{number}.mp4', 20 + 5 * number)
    cfg.model = amd_video_config()
    cfg.model.teacher.update(teacher)
    cfg.train_dataloader.dataset = dict(
        type='amd_mm.KeyedDataset', num_repeats=2,
        dataset=dict(
            type='amd_mm.VideoDataset', data_prefix=dict(video=str(work_dir)),
            pipeline=[dict(type='amd_mm.PyAVInit'),
                      dict(type='amd_mm.SampleStridedFrames', clip_len=8, frame_interval=2),
                      dict(type='amd_mm.PyAVDecode')]),
        pipeline=[
            dict(type='amd_mm.MultiScaleCrop'),
            dict(type='mmaction.Resize', scale=(32, 32), keep_ratio=False),
            dict(type='mmaction.FormatShape', input_format='NCTHW'),
            dict(type='mmaction.PackActionInputs')])
    return cfg


def assert_same(found: Config, expected: Config, start: int = 0) -> None:
    lines = recorded(expected)[start:]
    assert len(lines) == 2 - start
    for one, other in zip(lines, recorded(found), strict=True):
        assert (one['keys'], one['lr']) == (other['keys'], other['lr'])
        assert other['losses'] == pytest.approx(one['losses'], rel=1e-6)
    torch.testing.assert_close(
        weights(found, 'epoch_2.pth'), weights(expected, 'epoch_2.pth'), rtol=1e-6, atol=1e-8)


def test_shared_out_is_the_same_as_whole(tmp_path):
    whole = amd_config(tmp_path / 'whole')
    teacher = amd_config(tmp_path / 'teacher', shard=True)
    run_processes(2, whole, teacher)
    assert_same(teacher, whole)

    sharded = Config.fromfile(CONFIGS / '_base_' / 'sharded.py')
    both, rest = (amd_config(tmp_path / name, shard=True) for name in ('both', 'rest'))
    for cfg in (both, rest):
        cfg.merge_from_dict(sharded)
        cfg.default_hooks.checkpoint = dict(
            type='amd_mm.WholeCheckpointHook', interval=1, background=True)
        cfg.custom_hooks += [dict(type='amd_mm.InterimCheckpointHook', minutes=1e-6),
                             dict(type='amd_mm.WorkDirLockHook')]
    train(both)
    assert_same(both, whole)
    # Whole checkpoints, so that another number of processes could go on with them.
    train(rest, '--resume', tmp_path / 'both' / 'epoch_1.pth')
    assert_same(rest, whole, start=1)


def test_shared_out_goes_on_after_a_signal_to_one_process(tmp_path):
    cfgs = [amd_config(tmp_path / name) for name in ('whole', 'stopped')]
    for cfg in cfgs:
        cfg.merge_from_dict(Config.fromfile(CONFIGS / '_base_' / 'sharded.py'))
        cfg.default_hooks.checkpoint = dict(type='amd_mm.WholeCheckpointHook', interval=1)
    whole, stopped = cfgs
    train(whole)
    stopped.custom_hooks.append(dict(type='SignalHook', rank=1, iteration=0))
    with pytest.raises(RuntimeError, match='stopped by SIGTERM after iteration 1: saved .*iter_1'):
        train(stopped)
    assert [path.name for path in (tmp_path / 'stopped').glob('*.pth')] == ['iter_1.pth']
    train(stopped, '--resume')
    assert [line['keys'] for line in recorded(stopped)] == [
        line['keys'] for line in recorded(whole)]
    torch.testing.assert_close(
        weights(stopped, 'epoch_2.pth'), weights(whole, 'epoch_2.pth'), rtol=0, atol=0)


def train(cfg: Config, *arguments: str | Path) -> None:
    """Two processes of ``tools/train.py``."""
    path = Path(cfg.work_dir, 'run.py')
    cfg.dump(path)
    command('python', '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2',
            TRAIN, path, '--launcher', 'pytorch', *arguments)


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_leaves_fit_and_are_what_their_names_say(path):
    said = re.fullmatch(
        r'amd_vit-(?P<student>base|large)-p(?P<patch>14|16)-from-(?P<teacher>huge|giant)'
        r'_b(?P<batch>512|4096)-.*', path.stem)
    cfg = Config.fromfile(path)
    student, teacher = cfg.model.backbone, cfg.model.teacher
    assert encoder_size(student) == ENCODERS[said['student']]
    assert encoder_size(teacher.backbone) == dict(
        huge=(1280, 32, 16), giant=(1408, 40, 16))[said['teacher']]
    assert student.patch_size == teacher.backbone.patch_size == int(said['patch'])
    assert teacher.shard and 'checkpoint' not in teacher
    assert list(teacher.taps) == [teacher_depth(cfg) // 2, teacher_depth(cfg)]
    assert list(cfg.model.taps) == [ENCODERS[said['student']][1] // 2, ENCODERS[said['student']][1]]
    assert cfg.global_batch_size == int(said['batch'])
    assert ('strategy' in cfg) == (said['student'] == 'large')

    if said['teacher'] == 'giant':
        assert int(1408 * teacher.backbone.mlp_ratio) == 6144

    # The parts fit each other: the model itself, with two blocks each.
    for network in (student, teacher.backbone):
        width, _, heads = encoder_size(network)
        network.update(
            dict(arch=dict(embed_dims=width, num_layers=2, num_heads=heads,
                           feedforward_channels=width)) if 'arch' in network else dict(depth=2))
    teacher.update(taps=(1, 2), checkpoint=None)
    cfg.model.update(taps=(1, 2))
    cfg.model.neck.generator_depth = cfg.model.decoder.depth = 1
    model = MODELS.build(cfg.model)
    assert model.backbone.grid.per_frame == (224 // int(said['patch']))**2


def teacher_depth(cfg: Config) -> int:
    return encoder_size(cfg.model.teacher.backbone)[1]
