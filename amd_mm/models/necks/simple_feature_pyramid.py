"""Maps of several strides from the last map of a plain transformer (ViTDet)."""
from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, ModuleList
from mmpretrain.models.utils import LayerNorm2d
from torch import Tensor, nn

from amd_mm.registry import MODELS
from amd_mm.values import takes, whole

LAYER_NORM = dict(type='mmpretrain.LN2d', eps=1e-6)


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """ViTDet's pyramid: strides 4, 8, 16, 32 of patches of 16, and more by subsampling.

    Transposed convolutions double the last map's sides once and twice, a maximum of 2 x 2 halves
    them; each scale then has a convolution of 1 x 1 and one of 3 x 3, both with layer norm over
    channels (arXiv 2203.16527, section 3 and figure 2). Nothing goes from scale to scale: on
    COCO the paper measures this above FPNs.

    Args:
        in_channels: Width of the backbone, a multiple of 4.
        out_channels: Channels of every map.
        num_outs: Maps in all; those behind the fourth are every other pixel of the one before.

    Raises:
        ValueError: If the width is no multiple of 4.
    """

    @takes(in_channels=whole(4), out_channels=whole(1), num_outs=whole(4))
    def __init__(self, in_channels: int, out_channels: int, num_outs: int) -> None:
        super().__init__()
        if in_channels % 4:
            raise ValueError(
                'in_channels of SimpleFeaturePyramid must be a multiple of 4, since doubling sides '
                f'halves channels, got {in_channels}; it is embed_dims of the backbone')
        half, quarter = in_channels // 2, in_channels // 4
        self.rescale = ModuleList([
            nn.Sequential(
                nn.ConvTranspose2d(in_channels, half, 2, stride=2),
                LayerNorm2d(half, eps=LAYER_NORM['eps']),
                nn.GELU(),
                nn.ConvTranspose2d(half, quarter, 2, stride=2)),
            nn.ConvTranspose2d(in_channels, half, 2, stride=2),
            nn.Identity(),
            nn.MaxPool2d(2),
        ])
        self.convs = ModuleList([
            nn.Sequential(_conv(width, out_channels, 1), _conv(out_channels, out_channels, 3))
            for width in (quarter, half, in_channels, in_channels)])
        self.num_outs = num_outs

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Make the pyramid.

        Args:
            inputs: The backbone's maps, the last of which (B, in_channels, h, w) is used.

        Returns:
            ``num_outs`` maps (B, out_channels, s h, s w), s = 4, 2, 1, 1/2, ...
        """
        maps = [convs(rescale(inputs[-1]))
                for rescale, convs in zip(self.rescale, self.convs, strict=True)]
        while len(maps) < self.num_outs:
            maps.append(maps[-1][..., ::2, ::2])
        return tuple(maps)


def _conv(in_channels: int, out_channels: int, size: int) -> ConvModule:
    return ConvModule(in_channels, out_channels, size, padding=size // 2, bias=False,
                      norm_cfg=LAYER_NORM, act_cfg=None)
