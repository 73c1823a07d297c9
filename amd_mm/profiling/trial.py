"""Models and inputs for trials of speed and memory, without weights or data."""
from typing import Any

import torch
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


def trial_inputs(model: Any, count: int, device: torch.device | str = 'cpu') -> Tensor:
    """(count, C, (T,) H, W) noise, in memory as the data sets leave it.

    The channels of clips lie last, those of pictures first.
    """
    grid = model.backbone.grid
    size, channels = grid.input_size, model.backbone.architecture.channels
    if grid.is_video:
        return torch.randn(count, *size, channels, device=device).movedim(-1, 1)
    return torch.randn(count, channels, *size, device=device)
