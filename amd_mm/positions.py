"""Position tables: made (MAE, VideoMAE), resized to other grids, compared."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmaction.models.backbones.vit_mae import get_sinusoid_encoding
from torch import Tensor

from amd_mm.tokens import TokenGrid

# (frames / tubelet, rows, columns) of the tokens; an image has one frame.
Grid = tuple[int, int, int]


def sincos_positions(grid: TokenGrid, dims: int, num_prefix_tokens: int = 0) -> Tensor:
    """(1, num_prefix_tokens + N, dims) float32 table; prefix tokens get zeros.

    Clips: one-dimensional over all tokens, sine and cosine interleaved (VideoMAE).
    Images: two-dimensional, the first half of the channels for the column, the
    second for the row, sines before cosines (MAE; mmpretrain's table has row and
    column the other way round, which a released decoder would not survive).

    Raises:
        ValueError: If ``dims`` is not a multiple of 2 (clips) or 4 (images).
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


def resize_positions(table: Tensor, old: Sequence[int], new: Sequence[int],
                     num_prefix_tokens: int = 0) -> Tensor:
    """Interpolate a position table in space (bicubic, as the hosts) and time (linear).

    Args:
        table: (1, num_prefix_tokens + T H W, D), raster order (time, row, column).
        old: (T, H, W) of the table.
        new: (T, H, W) wanted.
        num_prefix_tokens: Class tokens before the others; they are kept as they are.

    Returns:
        (1, num_prefix_tokens + T' H' W', D) of the same type.

    Raises:
        ValueError: If the table does not have the grid ``old``.
    """
    tokens = old[0] * old[1] * old[2]
    if table.shape[1] != num_prefix_tokens + tokens:
        raise ValueError(
            f'Positions: the table must have {num_prefix_tokens} + {old[0]} x {old[1]} x {old[2]} '
            f'rows, got {tuple(table.shape)}: the size or the frames that are said of it are '
            'not its own.')
    if old == new:
        return table
    prefix, rest = table[:, :num_prefix_tokens], table[0, num_prefix_tokens:]
    wide = rest.double().reshape(*old, -1).permute(0, 3, 1, 2)
    wide = F.interpolate(wide, size=new[1:], mode='bicubic', align_corners=False)
    _, dims, rows, columns = wide.shape
    wide = wide.reshape(1, old[0], -1).transpose(1, 2)
    wide = F.interpolate(wide, size=new[0], mode='linear', align_corners=False)
    wide = wide.reshape(dims, rows * columns, new[0]).permute(2, 1, 0).reshape(1, -1, dims)
    return torch.cat([prefix, wide.to(table.dtype)], dim=1)


def fixed_positions(modality: str, grid: Grid, dims: int, num_prefix_tokens: int) -> Tensor:
    """(1, num_prefix_tokens + T H W, dims): the sine-cosine table that a model computes."""
    size = grid if modality == 'video' else grid[1:]
    return sincos_positions(TokenGrid(size, (1,) * len(size)), dims, num_prefix_tokens)


def grids_of_fixed(table: Tensor, num_prefix_tokens: int) -> list[tuple[int, int]]:
    """The (rows, columns) whose fixed table of images this one is; empty: it is learnt.

    MAE's tables have the column before the row in the channels, MoCo v3's and mmpretrain's the row.

    Args:
        table: (1, num_prefix_tokens + N, D).
        num_prefix_tokens: Class tokens before the others.
    """
    tokens = 0 if table.is_meta else table.shape[1] - num_prefix_tokens
    grids = [(rows, tokens // rows) for rows in range(1, tokens + 1) if tokens % rows == 0]
    for order in (table, table.roll(table.shape[2] // 2, 2)):
        found = [grid for grid in grids if is_fixed(order, 'image', (1, *grid), num_prefix_tokens)]
        if found:
            return found
    return []


def space_time_positions(grid: Grid, dims: int) -> Tensor:
    """(1, T H W, dims): MVD's table of clips, a quarter of the channels for time.

    The others are MAE's two-dimensional table, column before row; sines before cosines (MVD,
    arXiv 2212.04500, its released code).

    Raises:
        ValueError: If ``dims`` is not a multiple of 16.
    """
    if dims % 16:
        raise ValueError(
            f'Width must be a multiple of 16 for positions in time and space, got {dims}.')
    frames, rows, columns = grid
    space = sincos_positions(TokenGrid((rows, columns), (1, 1)), dims // 4 * 3)[0]
    frequencies = 10000**(-torch.arange(dims // 8, dtype=torch.float64) / (dims // 8))
    angles = torch.arange(frames, dtype=torch.float64)[:, None] * frequencies
    time = torch.cat([angles.sin(), angles.cos()], 1).float()
    return torch.cat([time.repeat_interleave(rows * columns, 0), space.repeat(frames, 1)], 1)[None]


def is_fixed(table: Tensor, modality: str, grid: Grid, num_prefix_tokens: int) -> bool:
    """Whether a table is the one that is computed, up to the rounding of its type."""
    dims = table.shape[2]
    if dims % (2 if modality == 'video' else 4):
        return False
    computed = fixed_positions(modality, grid, dims, num_prefix_tokens)
    tolerance = max(1e-5, 2 * torch.finfo(table.dtype).eps)
    return table.shape == computed.shape and bool(
        torch.allclose(table.float(), computed, rtol=0, atol=tolerance))
