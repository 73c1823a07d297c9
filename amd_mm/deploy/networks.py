"""Networks in one forward: backbones with the heads of the hosts, without their preprocessing."""
import copy
from typing import Any

import torch
from mmaction.models.recognizers import Recognizer3D
from torch import Tensor, nn

from amd_mm.compat.mmcv_ops import interpolation_weights
from amd_mm.models.backbones import VideoVisionTransformer
from amd_mm.models.roi_extractor import MovingRoIExtractor
from amd_mm.positions import resize_positions
from amd_mm.tokens import TokenGrid


class Scores(nn.Module):
    """A classifier of mmpretrain or recognizer of mmaction2 up to the scores of one view.

    Raises:
        ValueError: For a recognizer that does not take whole clips.
    """

    def __init__(self, model: Any, is_video: bool) -> None:
        super().__init__()
        if is_video and not isinstance(model, Recognizer3D):
            raise ValueError('Export: a recognizer must take whole clips (Recognizer3D), got '
                             f'{type(model).__name__}; export its backbone with --part encoder')
        self.backbone, self.neck = model.backbone, getattr(model, 'neck', None)
        self.head = model.cls_head if is_video else model.head
        self.is_video = is_video

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, classes), in [0, 1] and together 1."""
        features = self.backbone(pixels)
        if self.neck is not None:
            features = self.neck(features)
            # mmaction2's necks give losses too.
            features = features[0] if self.is_video else features
        return self.head(features).softmax(-1)


class BoxScores(nn.Module):
    """AVA's model of one clip, with boxes as an input: features in them, pooled, classified.

    mmaction2's RoIAlign as products of two matrices a box, which every runtime has. Boxes are cut
    at the frame.

    Args:
        model: mmaction2's, with a single-scale extractor and a head of boxes.
        size: (H, W) of the frames.

    Raises:
        ValueError: For an extractor that this does not compute.
    """

    limits: Tensor

    def __init__(self, model: Any, size: tuple[int, int]) -> None:
        super().__init__()
        extractor, head = model.roi_head.bbox_roi_extractor, model.roi_head.bbox_head
        layer = extractor.roi_layer
        pooled = getattr(extractor, 'with_temporal_pool', False)
        if (not pooled or extractor.temporal_pool_mode != 'avg' or extractor.with_global
                or getattr(layer, 'pool_mode', None) != 'avg' or model.roi_head.with_shared_head):
            raise ValueError(
                'Export: the extractor of boxes must be a RoIAlign of averages over time without '
                'global features or a shared head, as in our AVA recipes, got another')
        self.backbone, self.extractor, self.head = copy.deepcopy(model.backbone), extractor, head
        _fit(self.backbone, size)
        # Whole numbers, which stay what they are in a network in bfloat16.
        self.register_buffer('limits', torch.tensor(size).flip(0).repeat(2), persistent=False)
        self.scale, self.ratio = layer.spatial_scale, layer.sampling_ratio
        self.aligned, self.bins = bool(layer.aligned), tuple(layer.output_size)

    def forward(self, pixels: Tensor, boxes: Tensor) -> Tensor:
        """Scores in boxes.

        Args:
            pixels: (1, C, T, H, W), normalised.
            boxes: (N, 4) in pixels of the frames: left, top, right, bottom.

        Returns:
            (N, classes).
        """
        features = self.backbone(pixels)
        features = features[-1] if isinstance(features, tuple) else features
        pooled = self._pooled(features.mean(2)[0].to(boxes.dtype), boxes).flatten(2)
        # The head's pools by the means that every exporter knows; over time there is one.
        pooled = pooled.amax(2) if self.head.spatial_pool_type == 'max' else pooled.mean(2)
        logits = self.head.fc_cls(pooled.to(features.dtype))
        return logits.sigmoid() if self.head.multilabel else logits.softmax(-1)

    def _pooled(self, features: Tensor, boxes: Tensor) -> Tensor:
        """(N, C, P, Q) of (C, H, W)."""
        limits = self.limits.to(boxes.dtype)
        boxes = torch.minimum(boxes.clamp(min=0), limits)
        if isinstance(self.extractor, MovingRoIExtractor):
            rois = torch.cat([boxes[:, :1] * 0, boxes], 1)
            boxes = self.extractor._moved(rois, limits[:2] - 1)[:, 1:]
        corners = boxes * self.scale - (0.5 if self.aligned else 0.)
        first, last = corners[:, :2], corners[:, 2:]
        extent = last - first if self.aligned else (last - first).clamp(min=1)
        samples = self.ratio or self._most_samples(features)
        columns, rows = (
            interpolation_weights(first[:, axis], extent[:, axis], self.bins[1 - axis], self.ratio,
                                  features.shape[2 - axis], samples) for axis in (0, 1))
        # (N, 1, P, H) (C, H, W) (N, 1, W, Q).
        return rows[:, None] @ features @ columns.transpose(1, 2)[:, None]

    def _most_samples(self, features: Tensor) -> int:
        """Of a bin, of a box as large as the frame: constants, as in ONNX // is another thing."""
        return max(-(-int(length) // bins) for length, bins in zip(
            features.shape[1:], self.bins, strict=True))


def _fit(backbone: Any, size: tuple[int, int]) -> None:
    """Interpolate positions once and not at every call, where the encoder is ours."""
    if isinstance(backbone, VideoVisionTransformer):
        old = backbone.grid
        new = TokenGrid.of_input((old.input_size[0], *size), old.patch)
        table = resize_positions(backbone.pos_embed.detach(), old.size, new.size)
        learned = isinstance(backbone.pos_embed, nn.Parameter)
        backbone.pos_embed = nn.Parameter(table) if learned else table
        backbone.grid, backbone.grid_size = new, new.size[1:]
