"""Blocks of places of a frame, in whole numbers: the same on every device."""
import math
from collections.abc import Sequence

import torch
from torch import Tensor

# Aspect ratios that a block can have, evenly spaced between the smallest and the largest.
ASPECTS = 64


def block_shape(area: float, aspect: float, size: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of a block.

    Args:
        area: Places that it would cover.
        aspect: Rows over columns.
        size: Rows and columns of the frame, which it does not leave.
    """
    sides = math.sqrt(area * aspect), math.sqrt(area / aspect)
    return tuple(min(max(round(side), 1), most)  # type: ignore[return-value]
                 for side, most in zip(sides, size, strict=True))


def covered(shape: Tensor, luck: Tensor, size: Sequence[int]) -> Tensor:
    """What blocks cover that lie anywhere in the frame.

    Args:
        shape: (..., 2), rows and columns of each block.
        luck: (..., 2) int64, random numbers that decide its uppermost row and leftmost column.
        size: Rows and columns of the frame.

    Returns:
        (..., rows * columns) bool.
    """
    inside = []
    for axis, length in enumerate(size):
        side = shape[..., axis, None]
        first = luck[..., axis, None] % (length - side + 1)
        places = torch.arange(length, device=shape.device)
        inside.append((first <= places) & (places < first + side))
    return (inside[0][..., :, None] & inside[1][..., None, :]).flatten(-2)


def hide_blocks(block: Tensor, luck: Tensor, num_blocks: int) -> Tensor:
    """Scores that show what no block covers, and of the rest the last block first.

    A block that is cut to reach a fixed count is cut row by row, from above or from below.

    Args:
        block: (B, L), number of the first block that covers a place, ``num_blocks`` if none does.
        luck: (B,) int64, random numbers.
        num_blocks: How many there are.

    Returns:
        (B, L) int64.
    """
    length = block.shape[1]
    raster = torch.arange(1, length + 1, device=block.device)
    raster = torch.where(luck[:, None] % 2 == 0, raster, length + 1 - raster)
    return torch.where(block < num_blocks, (num_blocks - block) * length + raster, 0)
