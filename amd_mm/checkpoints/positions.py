"""Positions of checkpoints on other grids, and which tables are computed anyway."""
import torch
import torch.nn.functional as F
from torch import Tensor

Grid = tuple[int, int, int]


def resize_positions(table: Tensor, old: Grid, new: Grid, num_prefix_tokens: int = 0) -> Tensor:
    """Interpolates a position table in space (bicubic, as the hosts) and time (linear).

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
            f'rows, got {tuple(table.shape)}. Say what the source was trained with: '
            '--source-size, --source-frames.')
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
    # The models import this package for their weights.
    from amd_mm.models.masks import TokenGrid
    from amd_mm.models.positions import sincos_positions
    size = grid if modality == 'video' else grid[1:]
    return sincos_positions(TokenGrid(size, (1,) * len(size)), dims, num_prefix_tokens)


def is_fixed(table: Tensor, modality: str, grid: Grid, num_prefix_tokens: int) -> bool:
    """Whether a table is the one that is computed, up to the rounding of its type."""
    dims = table.shape[2]
    if dims % (2 if modality == 'video' else 4):
        return False
    computed = fixed_positions(modality, grid, dims, num_prefix_tokens)
    tolerance = max(1e-5, 2 * torch.finfo(table.dtype).eps)
    return table.shape == computed.shape and bool(
        torch.allclose(table.float(), computed, rtol=0, atol=tolerance))
