"""Fixed sine-cosine position tables of MAE and VideoMAE."""
import torch
from mmaction.models.backbones.vit_mae import get_sinusoid_encoding
from torch import Tensor

from amd_mm.models.masks import TokenGrid


def sincos_positions(grid: TokenGrid, dims: int, num_prefix_tokens: int = 0) -> Tensor:
    """(1, num_prefix_tokens + N, dims) float32 table; prefix tokens get zeros.

    Clips: one-dimensional over all tokens, sine and cosine interleaved (VideoMAE).
    Images: two-dimensional, the first half of the channels for the column, the
    second for the row, sines before cosines (MAE; mmpretrain's table has row and
    column the other way round, which a released decoder would not survive).

    Raises:
        ValueError: if ``dims`` is not a multiple of 2 (clips) or 4 (images).
    """
    divisor = 2 if grid.is_video else 4
    if dims % divisor:
        raise ValueError(
            f'Width must be a multiple of {divisor} for sine-cosine positions, got {dims}.')
    if grid.is_video:
        table = get_sinusoid_encoding(grid.num_tokens, dims)
    else:
        rows, columns = torch.meshgrid(
            *(torch.arange(n, dtype=torch.float64) for n in grid.size), indexing='ij')
        frequencies = 10000**(-torch.arange(dims // 4, dtype=torch.float64) / (dims // 4))
        angles = [axis.flatten()[:, None] * frequencies for axis in (columns, rows)]
        table = torch.cat([f(a) for a in angles for f in (torch.sin, torch.cos)], 1).float()[None]
    return torch.cat([table.new_zeros(1, num_prefix_tokens, dims), table], dim=1)
