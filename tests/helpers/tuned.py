"""Fine-tuned checkpoints of the transfer recipes made small, with random weights."""
from pathlib import Path

import tiny_vits
import torch
from mmengine.config import Config
from torch import nn
from transfer import small

from amd_mm.registry import MODELS

OWN_IMAGES = 'vit-small-p16_amd-pre_b64-coslr-50e_own-images'
OWN_VIDEOS = 'vit-small-p16_k400-amd-pre_b8-16x4x1-50e_own-videos-rgb'


def fine_tuned(name: str, folder: Path, classes: tuple[str, ...]) -> tuple[Config, nn.Module]:
    """A small recipe and its model, which is in ``folder/last.pth`` as MMEngine saves it."""
    config = small(name, folder, None)
    parts = dict(config.model, backbone=dict(config.model.backbone, init_cfg=None))
    head = 'cls_head' if 'cls_head' in parts else 'head'
    parts[head] = dict(parts[head], num_classes=len(classes))
    parts.pop('train_cfg', None)
    preprocessor = dict(parts.get('data_preprocessor') or config.data_preprocessor)
    preprocessor.pop('blending', None)
    model = tiny_vits.randomise(MODELS.build(dict(parts, data_preprocessor=preprocessor)))
    torch.save(dict(meta=dict(dataset_meta=dict(classes=classes), epoch=1),
                    state_dict=model.state_dict()), folder / 'last.pth')
    return config, model
