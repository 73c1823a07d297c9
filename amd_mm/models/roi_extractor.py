"""Features inside boxes of people that are not taken as they stand (VideoMAE's detection code)."""
import torch
from mmaction.models.roi_heads.roi_extractors import SingleRoIExtractor3D
from torch import Tensor

from amd_mm.registry import MODELS
from amd_mm.values import list_of, number, takes


@MODELS.register_module()
class MovingRoIExtractor(SingleRoIExtractor3D):
    """mmaction2's extractor that jitters boxes in training and enlarges them in testing.

    Features are those of the moved boxes; targets and detections stay with the boxes that were
    given. In training each side moves on its own, evenly between so far in and so far out.

    Args:
        jitter: How far a side may move in training, in shares of the box: left and right outwards,
            inwards, top and bottom outwards, inwards.
        enlarge: How much wider and higher boxes are in testing, in shares of the box.
        **kwargs: Of ``mmaction.SingleRoIExtractor3D``; an unknown one is a TypeError there.

    Raises:
        ValueError: For a share out of range.
    """

    @takes(jitter=list_of(number(0, 1), 4), enlarge=list_of(number(0), 2))
    def __init__(self, jitter: tuple[float, float, float, float], enlarge: tuple[float, float],
                 **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.jitter = jitter
        self.enlarge = enlarge

    def forward(self, feat: Tensor | tuple[Tensor, ...],
                rois: Tensor) -> tuple[Tensor, Tensor]:
        """Features in boxes.

        Args:
            feat: (B, C, T, H, W), or several.
            rois: (K, 5), number in the batch and the corners left, top, right, bottom in pixels.

        Returns:
            (K, C, T or 1, output, output) in the moved boxes, and the features of the clips.
        """
        height, width = (feat if isinstance(feat, Tensor) else feat[0]).shape[-2:]
        limits = rois.new_tensor([width, height]) * self.featmap_stride - 1
        return super().forward(feat, self._moved(rois, limits))

    def _moved(self, rois: Tensor, limits: Tensor) -> Tensor:
        first, last = rois[:, 1:3], rois[:, 3:5]
        # Corners are pixels that belong to the box.
        size = last - first + 1
        if self.training:
            out, inward = (size * size.new_tensor(shares)
                           for shares in (self.jitter[::2], self.jitter[1::2]))
            first = first - out + torch.rand_like(size) * (out + inward)
            last = last - inward + torch.rand_like(size) * (out + inward)
        else:
            pad = size * size.new_tensor(self.enlarge) / 2
            first, last = first - pad, last + pad
        first = torch.minimum(first.clamp(min=0), limits - 1)
        last = torch.maximum(torch.minimum(last, limits), first + 1)
        return torch.cat([rois[:, :1], first, last], 1)
