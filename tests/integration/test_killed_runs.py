"""kill -9 or SIGTERM, and --resume: every kind of recipe ends as a run that was left alone.

With mixup, cutmix, drop path, random erasing and batch norm on, wherever the recipe has them.
"""
import os
import signal
import tarfile
from multiprocessing import get_context
from pathlib import Path

import ava_set
import pytest
import recipes
import torch
import transfer
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from runs import run

from amd_mm.datasets.files import VIDEOS
from amd_mm.datasets.shards import index_shard
from amd_mm.engine import prepare_start
from amd_mm.stopping import STOPPED

AVA = 'vit-small-p16_k400-amd-pre_b64-16x4x1-20e-adamw_ava22-rgb'
QUICKSTART = recipes.CONFIGS / 'quickstart'


@HOOKS.register_module()
class KillHook(Hook):
    """Ends the process, as a cluster does, within an iteration, after the checkpoint before it."""

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.iter == 3:
            os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module()
class TellHook(Hook):
    """Tells the process to stop, within an iteration, as a scheduler does."""

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.iter == 2:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('killed')
    ava_set.make_set(root / 'ava')
    for modality in ('video', 'image'):
        transfer.make_student(root / f'{modality}.pth', modality)
    names = transfer.make_videos(root / 'videos')
    transfer.write_list(root / 'videos.txt', names, [0, 1, 0, 1])
    (root / 'classes.txt').write_text('left\nright\n')
    transfer.make_pictures(root / 'pictures')
    return root


def clips(name: str, root: Path, work_dir: Path) -> Config:
    cfg = transfer.small(name, work_dir, root / 'video.pth')
    transfer.use_videos(cfg, root / 'videos', root / 'videos.txt')
    for dataset in transfer.datasets(cfg).values():
        if 'own' in name:
            dataset.metainfo.classes = str(root / 'classes.txt')
    cfg.model.backbone.drop_path_rate = .5
    return cfg


def pictures(name: str, root: Path, work_dir: Path) -> Config:
    cfg = transfer.small(name, work_dir, root / 'image.pth')
    transfer.use_pictures(cfg, root / 'pictures')
    if 'linear' not in name:
        cfg.model.backbone.drop_path_rate = .5
    return cfg


def detection(name: str, root: Path, work_dir: Path) -> Config:
    cfg = ava_set.small(name, root / 'ava', work_dir, root / 'video.pth')
    cfg.model.backbone.drop_path_rate = .5
    return cfg


def pretraining(name: str, root: Path, work_dir: Path) -> Config:
    cfg = Config.fromfile(next(path for path in recipes.RECIPES if path.stem == name))
    recipes.shrink(cfg)
    recipes.shorten(cfg)
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = str(work_dir).replace('/', '_')
    cfg.visualizer = dict(type='Visualizer', vis_backends=[])
    cfg.train_dataloader.batch_size = cfg.global_batch_size = 2
    innermost = cfg.train_dataloader.dataset.dataset
    if 'kinetics' in name:
        innermost.update(ann_file='', data_prefix=dict(video=str(root / 'videos')))
    else:
        innermost.type = 'mmpretrain.CustomDataset'
        innermost.pop('split', None)
        innermost.update(data_root='', data_prefix=str(root / 'pictures' / 'train'))
    return cfg


RECIPES = {
    'vit-small-p16_k400-amd-pre_b512-16x4x1-150e_kinetics400-rgb': clips,
    'vit-small-p16_k400-amd-pre_b8-16x4x1-50e_own-videos-rgb': clips,
    'vit-small-p16_amd-pre_b1024-coslr-100e_in1k': pictures,
    'vit-small-p16_amd-pre_b64-coslr-50e_own-images': pictures,
    'vit-small-p16_amd-pre_b16384-linear-coslr-90e_in1k': pictures,
    AVA: detection,
    'amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb': pretraining,
    'dmae_vit-base-p16_b4096-100e_in1k': pretraining,
}


def settled(name: str, root: Path, work_dir: Path) -> Config:
    """Two epochs, a checkpoint at every iteration, no validation."""
    cfg = RECIPES[name](name, root, work_dir)
    cfg.log_level = 'ERROR'
    cfg.train_cfg.max_epochs = 2
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1, by_epoch=False)
    for part in ('dataloader', 'cfg', 'evaluator'):
        cfg[f'val_{part}'] = None
    return cfg


@pytest.mark.parametrize('name', RECIPES)
def test_a_killed_run_goes_on_bit_for_bit(name: str, root: Path, tmp_path: Path) -> None:
    whole, killed = (settled(name, root, tmp_path / kind) for kind in ('whole', 'killed'))
    run(whole)
    assert_same(whole, killed, f'iter_{kill_and_resume(killed)}.pth')


def test_a_killed_run_from_shards_ends_as_one_from_files(root: Path, tmp_path: Path) -> None:
    name = 'amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb'
    files, shards = (settled(name, root, tmp_path / kind) for kind in ('files', 'shards'))
    with tarfile.open(tmp_path / '0.tar', 'w') as tar:
        for path in sorted((root / 'videos').iterdir()):
            tar.add(path, path.name)
    entries = index_shard(str(tmp_path / '0.tar'), VIDEOS).entries
    (tmp_path / 'list.txt').write_text(
        ''.join(f'0.tar#{entry.offset}+{entry.size}\n' for entry in entries))
    shards.train_dataloader.dataset.dataset.update(
        ann_file=str(tmp_path / 'list.txt'), data_prefix=dict(video=str(tmp_path)))
    run(files)
    assert_same(files, shards, f'iter_{kill_and_resume(shards)}.pth')


def kill_and_resume(killed: Config) -> int:
    """Runs a config that is killed, and what is left of it; how far that came."""
    killed.custom_hooks.append(dict(type='KillHook'))
    process = get_context('fork').Process(target=run, args=(killed, ))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    killed.custom_hooks.pop()
    prepare_start(killed, 'auto', overwrite=False)
    assert Path(killed.load_from).name == 'iter_3.pth'
    rest = run(killed)
    assert rest.iter >= 4
    return rest.iter


@pytest.mark.parametrize('name', RECIPES)
def test_a_run_that_was_told_to_stop_goes_on_bit_for_bit(
        name: str, root: Path, tmp_path: Path) -> None:
    whole, stopped = (settled(name, root, tmp_path / kind) for kind in ('whole', 'stopped'))
    for cfg in (whole, stopped):
        cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)
    run(whole)
    stopped.custom_hooks.append(dict(type='TellHook'))
    process = get_context('fork').Process(target=run, args=(stopped, ))
    process.start()
    process.join()
    assert process.exitcode == STOPPED
    stopped.custom_hooks.pop()
    prepare_start(stopped, 'auto', overwrite=False)
    assert Path(stopped.load_from).name == 'iter_3.pth'
    run(stopped)
    assert_same(whole, stopped, 'epoch_2.pth')


def assert_same(whole: Config, other: Config, name: str) -> None:
    one, two = (torch.load(Path(cfg.work_dir, name), weights_only=True) for cfg in (whole, other))
    torch.testing.assert_close(two['state_dict'], one['state_dict'], rtol=0, atol=0)
    assert two['optimizer']['param_groups'] == one['optimizer']['param_groups']
    torch.testing.assert_close(two['optimizer']['state'], one['optimizer']['state'],
                               rtol=0, atol=0)
