"""Visible tokens follow what moves (in the manner of MGMAE)."""
import math
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from amd_mm.keys import hash_positions
from amd_mm.models.masks.strategy import MaskDraw, MaskStrategy
from amd_mm.registry import MODELS
from amd_mm.tokens import GRID, TokenGrid
from amd_mm.values import takes, whole

# Pixels are compared in cells of at most so many, rounded to so many steps a unit.
_CELL, _STEPS = 4, 256
# More than any difference of pixels: what lies outside of a frame.
_OUTSIDE = 2**32


@MODELS.register_module()
class MotionMasking(MaskStrategy):
    """Shows random tokens of the middle frame, and in other frames what they have moved to.

    In the manner of MGMAE: a mask of one frame is carried on from frame to frame by
    motion, so that what is hidden stays hidden while it moves, and every frame shows as many
    tokens. MGMAE estimates optical flow with a network and warps a map of pixels. Here a token
    moves by the shift that leaves the least difference between the first frames of two tubelets,
    in cells of up to 4 x 4 pixels; of equal shifts the smallest. It is neither optical flow nor
    the motion vectors of a codec. Differences are whole numbers, so that equal input gives equal
    masks on every device.

    Args:
        grid: The tokens, of clips; filled in by the mask generator.
        reach: Largest shift from a tubelet to the next, in pixels along each axis.

    Raises:
        ValueError: For pictures.
    """

    per_frame = True
    needs = 'images'

    @takes(grid=GRID, reach=whole(1))
    def __init__(self, grid: TokenGrid, reach: int) -> None:
        super().__init__(grid)
        if not grid.is_video:
            raise ValueError(
                f'MotionMasking needs clips, got pictures of {grid.size} tokens: use another '
                'strategy in model.mask_generator.')
        self.cell = [math.gcd(side, _CELL) for side in grid.patch[1:]]
        # In cells: sides of a token, shifts with the smallest first, where tokens begin.
        self.side = [side // cell for side, cell in zip(grid.patch[1:], self.cell, strict=True)]
        self.reach = [reach // cell for cell in self.cell]
        self.shift_list = sorted(
            product(*(range(-most, most + 1) for most in self.reach)),
            key=lambda shift: (shift[0]**2 + shift[1]**2, shift))
        self.register_buffer('shifts', torch.tensor(self.shift_list), persistent=False)
        self.register_buffer('origin', torch.cartesian_prod(*(
            torch.arange(count) * side
            for count, side in zip(grid.size[1:], self.side, strict=True))), persistent=False)
        self.shifts: Tensor
        self.origin: Tensor

    def scores(self, draw: MaskDraw) -> Tensor:
        """As :meth:`MaskStrategy.scores`, (B, frames, L): those of where a token comes from."""
        assert draw.images is not None
        cells = self._cells(draw.images)
        base = self.grid.num_frames // 2
        # From the middle outwards, each with the neighbour that comes before it.
        frames = [*range(base + 1, self.grid.num_frames), *range(base - 1, -1, -1)]
        neighbours = [frame - 1 if frame > base else frame + 1 for frame in frames]
        shifts = self._shifts(cells[:, frames], cells[:, neighbours])
        origins = [self.origin.expand(len(cells), -1, -1)] * self.grid.num_frames
        for frame, neighbour, shift in zip(frames, neighbours, shifts.unbind(1), strict=True):
            origins[frame] = self._carried(origins[neighbour], shift)
        scores = hash_positions(draw.keys, self.length)
        return torch.stack([scores.gather(1, self._token(origin)) for origin in origins], 1)

    def _cells(self, images: Tensor) -> Tensor:
        """(B, frames, C, rows, columns) sums over cells of the first frame of every tubelet."""
        first = (images[:, :, ::self.grid.patch[0]] * _STEPS).round().long().transpose(1, 2)
        rows, columns = self.cell
        return first.unflatten(-1, (-1, columns)).unflatten(-3, (-1, rows)).sum((-3, -1))

    def _carried(self, origin: Tensor, shift: Tensor) -> Tensor:
        """Where tokens come from, in cells of the middle frame.

        Args:
            origin: (B, L, 2), of tokens of the neighbour.
            shift: (B, L, 2), to where tokens are found in the neighbour.
        """
        source = self.origin + shift
        token = self._token(source)
        return origin.gather(1, token[..., None].expand(-1, -1, 2)) + source - self.origin[token]

    def _shifts(self, cells: Tensor, neighbours: Tensor) -> Tensor:
        """To where the tokens of frames are found in neighbours.

        Args:
            cells: (B, frames, C, rows, columns).
            neighbours: Likewise.

        Returns:
            (B, frames, L, 2), in cells.
        """
        down, right = self.reach
        padded = F.pad(neighbours, (right, right, down, down), value=_OUTSIDE)
        (rows, columns), count = cells.shape[-2:], len(self.shift_list)
        costs = []
        for number, (y, x) in enumerate(self.shift_list):
            other = padded[..., down + y:down + y + rows, right + x:right + x + columns]
            cost = (cells - other).abs().sum(2).unflatten(3, (-1, self.side[1]))
            cost = cost.unflatten(2, (-1, self.side[0])).sum((3, 5)).flatten(2)
            # Of equal ones the first, on every device.
            costs.append(cost * count + number)
        return self.shifts[torch.stack(costs).amin(0) % count]

    def _token(self, cell: Tensor) -> Tensor:
        """(B, L), tokens of a frame that lie nearest to places (B, L, 2) in cells."""
        row, column = (
            (cell[..., axis] + side // 2).div(side, rounding_mode='floor').clamp(0, count - 1)
            for axis, (side, count) in enumerate(zip(self.side, self.grid.size[1:], strict=True)))
        return row * self.grid.size[2] + column
