"""Networks in one forward: backbones with the heads of the hosts, without their preprocessing."""
from typing import Any

import torch
from mmaction.models.recognizers import Recognizer3D
from torch import Tensor, nn

from amd_mm.compat.mmcv_ops import interpolation_weights
from amd_mm.models.roi_extractor import MovingRoIExtractor


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
        self.backbone, self.extractor, self.head = model.backbone, extractor, head
        self.size = size
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
        pooled = self._pooled(features.mean(2)[0], boxes).flatten(2)
        # The head's pools by the means that every exporter knows; over time there is one.
        pooled = pooled.amax(2) if self.head.spatial_pool_type == 'max' else pooled.mean(2)
        logits = self.head.fc_cls(pooled)
        return logits.sigmoid() if self.head.multilabel else logits.softmax(-1)

    def _pooled(self, features: Tensor, boxes: Tensor) -> Tensor:
        """(N, C, P, Q) of (C, H, W)."""
        height, width = self.size
        limits = boxes.new_tensor([width, height, width, height])
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
        return torch.einsum('kph,chw,kqw->kcpq', rows, features, columns)

    def _most_samples(self, features: Tensor) -> int:
        """Of a bin, of a box as large as the frame."""
        return max(-(-length // bins) for length, bins in zip(
            features.shape[1:], self.bins, strict=True))
