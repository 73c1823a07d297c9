"""Teachers whose weights are shared out, and students trained by MMEngine's strategies."""
from pathlib import Path

import pytest
import torch
from clips import write_video
from golden import amd_video_config
from mmengine.config import Config
from recipes import CONFIGS
from runs import command, recorded, run_processes, toy_config, weights

LEAVES = sorted((CONFIGS / 'amd' / 'large_teachers').glob('*.py'))
TRAIN = CONFIGS.parent / 'tools' / 'train.py'


def amd_config(work_dir: Path, **teacher) -> Config:
    """Two updates of the tiny AMD on made clips."""
    cfg = toy_config(work_dir, batch_size=2, max_epochs=2, optimizer=dict(type='SGD', lr=1e-3))
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


def test_losses_with_a_sharded_teacher_are_those_with_a_whole_one(tmp_path):
    whole, shared = amd_config(tmp_path / 'whole'), amd_config(tmp_path / 'shared', shard=True)
    run_processes(2, whole, shared)
    expected, found = recorded(whole), recorded(shared)
    assert len(expected) == len(found) == 2
    for one, other in zip(expected, found, strict=True):
        assert one['keys'] == other['keys']
        assert other['losses'] == pytest.approx(one['losses'], rel=1e-6)
    torch.testing.assert_close(
        weights(shared, 'epoch_2.pth'), weights(whole, 'epoch_2.pth'), rtol=1e-6, atol=1e-8)
