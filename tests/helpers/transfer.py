"""The transfer recipes made small: real clips and pictures, a tiny student, two steps."""
import shutil
from pathlib import Path

import cv2
import numpy as np
import skimage
import tiny_vits
import torch
from clips import REAL, write_video
from mmengine.config import Config
from mmengine.runner import Runner
from predictions import Predictions
from recipes import CONFIGS, nodes, shorten

from amd_mm.engine import build_runner, build_training_runner
from amd_mm.registry import DATASETS, HOOKS, LOOPS, MODELS, RUNNERS, TRANSFORMS

RECIPES = {path.stem: path for folder in ('finetune', 'probe')
           for path in sorted((CONFIGS / folder).glob('*.py'))}
VIDEOS = [name for name in RECIPES if name.endswith('-rgb')]
IMAGES = [name for name in RECIPES if not name.endswith('-rgb')]
OURS = {name for registry in (DATASETS, HOOKS, LOOPS, MODELS, RUNNERS, TRANSFORMS)
        for name in registry.module_dict}
PICTURES = ('cat', 'coffee', 'rocket', 'page')
# Frames, pixels and widths of tiny_vits.
_FRAMES, _SIZE, _WIDTH = tiny_vits.FRAMES, tiny_vits.SIZE, tiny_vits.WIDTH


def make_student(path: Path, modality: str) -> Path:
    """A pre-training checkpoint, as a run of ours leaves it."""
    torch.save(dict(state_dict=tiny_vits.pretraining(modality, seed=1).state_dict()), path)
    return path


def make_videos(folder: Path) -> list[str]:
    """Two real clips and two short ones; one name holds a space."""
    folder.mkdir()
    for number, name in enumerate(('carphone_pristine.mp4', 'carphone_distorted.mp4')):
        shutil.copy(REAL / name, folder / f'real {number}.mp4')
    # Shorter than any sampling span.
    write_video(folder / 'short.mp4', 5)
    write_video(folder / 'one.mp4', 1)
    return sorted(path.name for path in folder.iterdir())


def write_list(path: Path, names: list[str], labels: list[int]) -> Path:
    path.write_text(''.join(f'{name} {label}\n' for name, label in
                            zip(names, labels, strict=True)))
    return path


def make_pictures(root: Path, classes: tuple[str, ...] = ('first', 'second')) -> Path:
    """``root/{train,val}/CLASS/``, two photographs each."""
    photographs = [getattr(skimage.data, name)() for name in PICTURES]
    for split in ('train', 'val'):
        for label, name in enumerate(classes):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(2):
                picture = photographs[(2 * label + number) % len(photographs)]
                picture = np.repeat(picture[..., None], 3, 2) if picture.ndim == 2 else picture
                small = cv2.resize(picture, (48, 40), interpolation=cv2.INTER_AREA)
                cv2.imwrite(str(folder / f'{number}.png'), small)
    return root


def small(name: str, work_dir: Path, student: Path | None) -> Config:
    """A recipe with a tiny network, 32 pixels, 4 frames, batches of 2; data is left alone."""
    cfg = Config.fromfile(RECIPES[name])
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = str(work_dir).replace('/', '_')
    cfg.visualizer = dict(type='Visualizer', vis_backends=[])
    cfg.log_level = 'WARNING'
    _shrink_model(cfg, student)
    for node in list(nodes(cfg._cfg_dict)):
        if 'clip_len' in node:
            node.clip_len = _FRAMES
        for key in ('scale', 'crop_size'):
            if key in node:
                node[key] = _small_scale(node[key])
        if 'num_workers' in node:
            node.update(num_workers=0, persistent_workers=False, batch_size=2)
    shorten(cfg)
    cfg.train_cfg.val_interval = 1
    cfg.global_batch_size = 2
    return cfg


def _shrink_model(cfg: Config, student: Path | None) -> None:
    backbone = cfg.model.backbone
    if 'arch' in backbone:
        backbone.arch = dict(embed_dims=_WIDTH, num_layers=tiny_vits.DEPTH,
                             num_heads=tiny_vits.HEADS, feedforward_channels=4 * _WIDTH)
    else:
        backbone.update(embed_dims=_WIDTH, depth=tiny_vits.DEPTH, num_heads=tiny_vits.HEADS,
                        num_frames=_FRAMES)
        cfg.optim_wrapper.paramwise_cfg.num_layers = tiny_vits.DEPTH
    backbone.update(img_size=_SIZE, patch_size=tiny_vits.PATCH)
    if student is not None and 'init_cfg' in backbone:
        backbone.init_cfg.checkpoint = str(student)
    for part in ('head', 'cls_head'):
        if part in cfg.model:
            cfg.model[part].in_channels = _WIDTH
    if cfg.model.get('neck'):
        cfg.model.neck.input_features = _WIDTH


def _small_scale(scale: int | tuple) -> int | tuple:
    if isinstance(scale, (list, tuple)):
        return tuple(side if side == -1 else _small_scale(side) for side in scale)
    return {224: _SIZE, 256: _SIZE + 8}[scale]


def datasets(cfg: Config) -> dict[str, dict]:
    """The data sets that read lists, inside wrappers."""
    found = {part: cfg[f'{part}_dataloader'].dataset for part in ('train', 'val', 'test')}
    return {part: dataset.get('dataset', dataset) for part, dataset in found.items()}


def use_videos(cfg: Config, folder: Path, ann_file: Path) -> None:
    """Trains, validates and tests on one list."""
    for dataset in datasets(cfg).values():
        dataset.update(ann_file=str(ann_file), data_prefix=dict(video=str(folder)))


def use_classes(cfg: Config, classes: Path) -> None:
    """Names the classes of videos of one's own."""
    for dataset in datasets(cfg).values():
        dataset.metainfo.classes = str(classes)


def use_pictures(cfg: Config, root: Path) -> None:
    """Trains on ``root/train``, validates and tests on ``root/val``."""
    for name, split in (('train', 'train'), ('val', 'val'), ('test', 'val')):
        dataset = datasets(cfg)[name]
        dataset.type = 'amd_mm.PictureDataset'
        dataset.pop('split', None)
        dataset.update(data_root=str(root), data_prefix=split)
    if 'gallery' in cfg.model:
        cfg.model.gallery.dataset = dict(cfg.test_dataloader.dataset, data_prefix='train')


def train_and_test(cfg: Config) -> tuple[Runner, dict[str, float], float]:
    """Two steps, a validation, a checkpoint, and a test of what was saved.

    Returns:
        The runner that trained, the metrics of the test, and the share of its predictions that
        are right, counted apart.
    """
    runner = build_training_runner(cfg)
    runner.train()
    cfg.load_from = str(Path(cfg.work_dir, 'epoch_1.pth'))
    cfg.experiment_name += '_test'
    tester, predictions = build_runner(cfg), Predictions()
    tester.register_hook(predictions)
    return runner, tester.test(), predictions.top1


def throughput(runner: Runner) -> set[str]:
    """Which of ThroughputHook's figures a run logged, all of them positive."""
    scalars = {name.removeprefix('train/'): buffer.current()
               for name, buffer in runner.message_hub.log_scalars.items()}
    found = {name for name in scalars if name.endswith('_per_second')
             or name in ('data_wait_share', 'utilisation')}
    assert all(scalars[name] > 0 for name in found)
    return found
