"""The nuclei of tests/data as small sets with masks, and the segmentation recipes made small."""
import copy
from pathlib import Path

import numpy as np
import tiny_vits
import torch
from mmengine.config import Config
from PIL import Image
from recipes import CONFIGS, nodes, shorten
from torch import nn

from amd_mm.registry import MODELS

DATA = Path(__file__).parents[1] / 'data/nuclei'
RECIPES = {path.stem: path for path in sorted((CONFIGS / 'segmentation').glob('*.py'))}
CLASSES = ('background', 'nucleus')
# Corners of the pictures, (row, column); the last two are held out.
SIDE, TRAINED = 64, 4
CORNERS = [(row, column) for row in (0, 64, 128) for column in (0, 64)]
DEPTH = 4


def read(name: str) -> np.ndarray:
    """``'picture'`` or ``'instances'``, (192, 192) uint8."""
    return np.asarray(Image.open(DATA / f'{name}.png'))


def crop(name: str, corner: tuple[int, int]) -> np.ndarray:
    row, column = corner
    return read(name)[row:row + SIDE, column:column + SIDE]


def mask(corner: tuple[int, int]) -> np.ndarray:
    """1 inside of nuclei."""
    return (crop('instances', corner) > 0).astype(np.uint8)


def save(array: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def make_own(root: Path) -> Path:
    """As docs/dense.md has it: four pictures to train on, two held out."""
    for number, corner in enumerate(CORNERS):
        part = root / ('val' if number >= TRAINED else 'train')
        save(crop('picture', corner), part / 'pictures' / 'from a microscope' / f'{number}.png')
        save(mask(corner), part / 'masks' / 'from a microscope' / f'{number}.png')
    (root / 'classes.txt').write_text('\n'.join(CLASSES))
    return root


def make_ade(root: Path) -> Path:
    """In ADE20K's folders and with its labels: 0 is nothing, a wall 1, a building 2."""
    for number, corner in enumerate(CORNERS):
        part = 'validation' if number >= TRAINED else 'training'
        save(crop('picture', corner), root / f'images/{part}/ADE_{number}.jpg')
        save(mask(corner) + 1, root / f'annotations/{part}/ADE_{number}.png')
    return root


def small(name: str, work_dir: Path, student: Path | None) -> Config:
    """A recipe with a tiny network of 4 blocks, crops of 64 pixels and batches of 2."""
    cfg = Config.fromfile(RECIPES[name])
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = str(work_dir).replace('/', '_')
    cfg.visualizer = dict(type='Visualizer', vis_backends=[])
    cfg.log_level = 'WARNING'
    width = tiny_vits.WIDTH
    cfg.model.backbone.update(
        arch=dict(embed_dims=width, num_layers=DEPTH, num_heads=tiny_vits.HEADS,
                  feedforward_channels=4 * width),
        img_size=64, patch_size=tiny_vits.PATCH, out_indices=(0, 1, 2, 3))
    if student is None:
        cfg.model.backbone.pop('init_cfg')
    else:
        cfg.model.backbone.init_cfg.checkpoint = str(student)
    cfg.model.neck.embed_dim = width
    cfg.model.decode_head.update(in_channels=[width] * 4, channels=16)
    cfg.model.auxiliary_head.update(in_channels=width, channels=8)
    cfg.model.data_preprocessor.size = (64, 64)
    cfg.model.test_cfg.update(crop_size=(64, 64), stride=(42, 42))
    for node in list(nodes(cfg._cfg_dict)):
        if node.get('scale') == (2048, 512):
            node.scale = (384, 96)
        if node.get('crop_size') == (512, 512):
            node.crop_size = (64, 64)
        if 'num_workers' in node:
            node.update(num_workers=0, persistent_workers=False)
    shorten(cfg)
    cfg.train_cfg.val_interval = 1
    cfg.global_batch_size = 2
    return cfg


def segmented(folder: Path, root: Path) -> tuple[Config, nn.Module]:
    """The small recipe for own masks below ``root`` and its model, in ``folder/last.pth``."""
    cfg = small('vit-small-p16_amd-pre_b16-upernet-50e_own-masks-512x512', folder, None)
    use(cfg, root)
    parts = copy.deepcopy(cfg.model)
    parts.decode_head.num_classes = parts.auxiliary_head.num_classes = len(CLASSES)
    model = tiny_vits.randomise(MODELS.build(parts), seed=5)
    meta = dict(classes=CLASSES, palette=[(0, 0, 255), (250, 100, 0)])
    torch.save(dict(meta=dict(dataset_meta=meta, epoch=1), state_dict=model.state_dict()),
               folder / 'last.pth')
    return cfg, model


def datasets(cfg: Config) -> dict[str, dict]:
    """The data sets that read files."""
    found = {part: cfg[f'{part}_dataloader'].dataset for part in ('train', 'val', 'test')}
    return {part: dataset.get('dataset', dataset) for part, dataset in found.items()}


def use(cfg: Config, root: Path) -> None:
    """Take the data below ``root``, made by ``make_own`` or ``make_ade``."""
    for dataset in datasets(cfg).values():
        dataset.data_root = str(root)
        if 'metainfo' in dataset:
            dataset.metainfo.classes = str(root / 'classes.txt')
