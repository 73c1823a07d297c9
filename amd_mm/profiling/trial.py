"""Models and inputs for trials of speed and memory, without weights or data."""
import copy
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor, nn

from amd_mm.registry import MODELS


def trial_model(cfg: Config) -> nn.Module:
    """The model of a pre-training config, with random weights, also of teachers; in train mode.

    Raises:
        ValueError: For a model that does not pre-train.
    """
    if 'mask_generator' not in cfg.model:
        raise ValueError('a pre-training config is needed, whose model has a mask_generator, got '
                         f'a model of type {cfg.model.type}')
    model = cfg.model.copy()
    if isinstance(model.get('teacher'), dict):
        model.teacher = dict(model.teacher, checkpoint=None)
    elif 'teacher' in model:
        model.teacher = [dict(one, teacher=dict(one.teacher, checkpoint=None))
                         for one in model.teacher]
    return MODELS.build(model).train()


def trial_segmentor(cfg: Config) -> nn.Module:
    """The model of a segmentation config, with random weights; in train mode.

    Args:
        cfg: With a model of mmsegmentation. Where data decides the number of classes, it is
            taken for 2: a class costs one row of the last products.
    """
    model = copy.deepcopy(cfg.model)
    model.backbone.pop('init_cfg', None)
    for head in (model.decode_head, model.get('auxiliary_head')):
        if head and head.num_classes is None:
            head.num_classes = 2
    return MODELS.build(model).train()


def segmentation_losses(model: Any, inputs: Tensor) -> dict[str, Tensor]:
    """Losses of noise, head by head, for models without values too.

    What mmsegmentation's ``loss`` computes but for the accuracy in its log, whose shapes hang on
    the labels.

    Args:
        model: A segmentor of mmsegmentation with cross-entropy.
        inputs: (B, C, H, W).
    """
    features = model.extract_feat(inputs)
    labels = torch.zeros(len(inputs), *inputs.shape[2:], dtype=torch.long, device=inputs.device)
    heads = dict(decode=model.decode_head)
    if model.with_auxiliary_head:
        heads['aux'] = model.auxiliary_head
    losses = {}
    for name, head in heads.items():
        logits = F.interpolate(head(features), inputs.shape[2:], mode='bilinear',
                               align_corners=head.align_corners)
        losses[f'{name}.loss'] = F.cross_entropy(logits, labels)
    return losses


def trial_inputs(model: Any, count: int, device: torch.device | str = 'cpu') -> Tensor:
    """(count, C, (T,) H, W) noise, in memory as the data sets leave it.

    The channels of clips lie last, those of pictures first.
    """
    grid = model.backbone.grid
    size, channels = grid.input_size, model.backbone.architecture.channels
    if grid.is_video:
        return torch.randn(count, *size, channels, device=device).movedim(-1, 1)
    return torch.randn(count, channels, *size, device=device)
