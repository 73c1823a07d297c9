"""The recipes of configs/detection_coco made small: nuclei, a tiny student, two steps."""
import copy
from pathlib import Path

import coco_set
import tiny_vits
import torch
from mmengine.config import Config
from recipes import CONFIGS, nodes
from torch import nn

from amd_mm.datasets.labels import leaf_datasets
from amd_mm.registry import MODELS

RECIPES = {path.stem: path for path in sorted((CONFIGS / 'detection_coco').glob('*.py'))}
COCO = 'vit-small-p16_amd-pre_mask-rcnn_b64-lsj-100e_coco'
OWN = 'vit-small-p16_amd-pre_mask-rcnn_b16-lsj-100e_own-instances'
OWN_BOXES = 'vit-small-p16_amd-pre_faster-rcnn_b16-lsj-100e_own-boxes'
SIZE = 64
# Instead of the 80 of COCO.
CLASSES = ('person', 'bicycle')


def small(name: str, work_dir: Path, student: Path | None, root: Path) -> Config:
    """A recipe with a tiny network, squares of 64 pixels, two batches of two.

    Args:
        name: Of the recipe.
        work_dir: Of the run.
        student: A checkpoint of pre-training.
        root: Has ``annotations/train.json``, ``annotations/val.json`` and the pictures.
    """
    cfg = Config.fromfile(RECIPES[name])
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = str(work_dir).replace('/', '_')
    cfg.visualizer = dict(type='Visualizer', vis_backends=[])
    cfg.log_level = 'WARNING'
    backbone = cfg.model.backbone
    backbone.update(
        arch=dict(embed_dims=tiny_vits.WIDTH, num_layers=tiny_vits.DEPTH,
                  num_heads=tiny_vits.HEADS, feedforward_channels=4 * tiny_vits.WIDTH),
        img_size=tiny_vits.SIZE, patch_size=tiny_vits.PATCH, window_size=3, global_blocks=1)
    backbone.init_cfg.checkpoint = str(student)
    _shrink_heads(cfg.model)
    for node in list(nodes(cfg._cfg_dict)):
        for key in ('scale', 'crop_size'):
            if node.get(key) == cfg.square:
                node[key] = (SIZE, SIZE)
        if 'num_workers' in node:
            node.update(num_workers=0, persistent_workers=False)
    if name.endswith('coco'):
        for part in ('bbox', 'mask'):
            cfg.model.roi_head[f'{part}_head'].num_classes = len(CLASSES)
    cfg.train_dataloader.batch_size = 2
    for part in ('train', 'val', 'test'):
        kept = 'train' if part == 'train' else 'val'
        for dataset in leaf_datasets(cfg[f'{part}_dataloader'].dataset):
            dataset.update(data_root=str(root), ann_file=f'annotations/{kept}.json',
                           data_prefix=dict(img=kept))
            if name.endswith('coco'):
                dataset.metainfo = dict(classes=CLASSES)
        if part != 'train':
            cfg[f'{part}_evaluator'].ann_file = str(root / 'annotations' / f'{kept}.json')
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.param_scheduler = None
    cfg.global_batch_size = 2
    return cfg


def detecting(folder: Path, root: Path, name: str = OWN) -> tuple[Config, nn.Module]:
    """A small recipe for one's own boxes below ``root`` and its model, in ``folder/last.pth``."""
    cfg = small(name, folder, None, root)
    cfg.model.backbone.pop('init_cfg')
    parts = copy.deepcopy(cfg.model)
    for part in ('bbox_head', 'mask_head'):
        if parts.roi_head[part] is not None:
            parts.roi_head[part].num_classes = len(CLASSES)
    model = tiny_vits.randomise(MODELS.build(parts), seed=5)
    torch.save(dict(meta=dict(dataset_meta=dict(classes=CLASSES), epoch=1),
                    state_dict=model.state_dict()), folder / 'last.pth')
    return cfg, model


def _shrink_heads(model: dict) -> None:
    model.data_preprocessor.pad_size_divisor = SIZE
    model.neck.update(in_channels=tiny_vits.WIDTH, out_channels=16)
    model.rpn_head.update(in_channels=16, feat_channels=16)
    # Strides of patches of 8, not of 16.
    model.rpn_head.anchor_generator.strides = [2, 4, 8, 16, 32]
    for part in ('bbox', 'mask'):
        if model.roi_head[f'{part}_head'] is None:
            continue
        model.roi_head[f'{part}_roi_extractor'].update(
            out_channels=16, featmap_strides=[2, 4, 8, 16])
        model.roi_head[f'{part}_head'].update(in_channels=16, conv_out_channels=16)
    model.roi_head.bbox_head.update(fc_out_channels=32)
    model.test_cfg.rpn.update(nms_pre=100, max_per_img=50)
    # Untrained heads are sure of nothing.
    model.test_cfg.rcnn.score_thr = 0.
    model.train_cfg.rpn_proposal.update(nms_pre=100, max_per_img=50)


def make_set(root: Path, categories: tuple[str, ...] = CLASSES) -> Path:
    """Four pictures of nuclei to train with and two to validate with."""
    coco_set.write_coco(root, coco_set.coco_content(categories, copies=4), 'train')
    coco_set.write_coco(root, coco_set.coco_content(categories, copies=2), 'val')
    return root
