"""Models and inputs for trials of speed and memory, without weights or data."""
import copy
from collections.abc import Callable, Iterable
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
    return _trial_dense(cfg, lambda model: (model.decode_head, model.get('auxiliary_head')))


def trial_detector(cfg: Config) -> nn.Module:
    """As :func:`trial_segmentor`, of a config with a two-stage detector of mmdetection."""
    return _trial_dense(cfg, lambda model: (
        model.roi_head.bbox_head, model.roi_head.get('mask_head')))


def _trial_dense(cfg: Config, heads_of: Callable[[Any], Iterable[dict | None]]) -> nn.Module:
    model = copy.deepcopy(cfg.model)
    model.backbone.pop('init_cfg', None)
    for head in heads_of(model):
        if head and head['num_classes'] is None:
            head['num_classes'] = 2
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


def detection_losses(model: Any, inputs: Tensor) -> dict[str, Tensor]:
    """Losses of noise, head by head, for models without values too.

    The heads see as many regions of a picture as are sampled in training, and masks as many as
    may be positive; what is no product (pooling of regions, assignment, suppression) is left out.

    Args:
        model: A two-stage detector of mmdetection.
        inputs: (B, C, H, W).
    """
    features = model.extract_feat(inputs)
    proposals = model.rpn_head(features)
    losses = {f'rpn.{name}': sum(level.mean() for level in levels)
              for name, levels in zip(('cls', 'bbox'), proposals, strict=True)}
    sampler = model.train_cfg.rcnn.sampler

    def regions(extractor: Any, count: int) -> Tensor:
        """(B * count, C, P, Q) as RoIAlign gives them."""
        means = features[0].mean((2, 3), keepdim=True)
        size = extractor.roi_layers[0].output_size
        return means.expand(-1, -1, *size).repeat_interleave(count, 0)

    heads = model.roi_head
    scores, edges = heads.bbox_head(regions(heads.bbox_roi_extractor, sampler.num))
    losses |= {'bbox.cls': scores.mean(), 'bbox.edges': edges.mean()}
    if heads.with_mask:
        positive = int(sampler.num * sampler.pos_fraction)
        losses['mask'] = heads.mask_head(regions(heads.mask_roi_extractor, positive)).mean()
    return losses


def trial_inputs(model: Any, count: int, device: torch.device | str = 'cpu',
                 size: tuple[int, ...] | None = None) -> Tensor:
    """(count, C, (T,) H, W) noise, in memory as the data sets leave it.

    The channels of clips lie last, those of pictures first.

    Args:
        model: Whose backbone has a grid.
        count: How many.
        device: Where.
        size: ((T,) H, W); None: the grid's.
    """
    grid = model.backbone.grid
    size, channels = size or grid.input_size, model.backbone.architecture.channels
    if grid.is_video:
        return torch.randn(count, *size, channels, device=device).movedim(-1, 1)
    return torch.randn(count, channels, *size, device=device)
