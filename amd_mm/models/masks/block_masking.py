"""Blocks until enough is masked (BEiT, algorithm 1; MaskDistill)."""
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from amd_mm.keys import hash_positions
from amd_mm.models.masks.rectangles import ASPECTS, block_shape, covered, hide_blocks
from amd_mm.models.masks.strategy import MaskDraw, MaskStrategy
from amd_mm.registry import MODELS
from amd_mm.tokens import GRID, TokenGrid
from amd_mm.values import list_of, number, takes, whole


@MODELS.register_module()
class BlockMasking(MaskStrategy):
    """Masks rectangles of random sizes until enough is masked (BEiT, algorithm 1).

    A block's area lies between ``min_size`` and what is still to be masked. The last one is cut
    so that the count is met (BEiT leaves it out); what no block reaches in time is masked
    anywhere. In clips every frame has the same blocks.

    Args:
        grid: The tokens; filled in by the mask generator.
        min_size: Places of the smallest block, in [1, L]; 16 in BEiT, of 14 x 14.
        aspect: Smallest and largest rows over columns, drawn on a logarithmic scale; 0.3 and 1 /
            0.3 in BEiT.

    Raises:
        ValueError: If blocks are larger than a frame, or ratios are not in order.
    """

    per_frame = True

    @takes(grid=GRID, min_size=whole(1), aspect=list_of(number(above=0), 2))
    def __init__(self, grid: TokenGrid, min_size: int, aspect: Sequence[float]) -> None:
        super().__init__(grid)
        if min_size > self.length or aspect[0] > aspect[1]:
            raise ValueError(
                f'Blocks must have at most the {self.length} places of a frame, and aspect must be '
                f'(smallest, largest), got min_size={min_size} and aspect={tuple(aspect)}: change '
                'them in the strategy of model.mask_generator.')
        self.min_size = min_size
        low, high = map(math.log, aspect)
        ratios = [math.exp(low + (high - low) * step / (ASPECTS - 1)) for step in range(ASPECTS)]
        self.register_buffer('shapes', torch.tensor([
            [block_shape(area, ratio, grid.size[-2:]) for ratio in ratios]
            for area in range(self.length + 1)]), persistent=False)
        self.shapes: Tensor

    def scores(self, draw: MaskDraw) -> Tensor:
        """As :meth:`MaskStrategy.scores`, (B, L)."""
        num_masked = self.length - draw.num_seen
        # Blocks of the smallest size would do, if they did not overlap.
        num_blocks = 2 * -(-num_masked // self.min_size) + 4
        luck = hash_positions(draw.keys, 4 * num_blocks + 1)
        block = draw.keys.new_full((len(luck), self.length), num_blocks)
        for index, (area, aspect, *place) in enumerate(luck[:, 1:].T.split(4)):
            missing = num_masked - (block < num_blocks).sum(1)
            area = self.min_size + area % (missing.clamp(min=self.min_size) - self.min_size + 1)
            shape = self.shapes[area, aspect % ASPECTS]
            new = covered(shape, torch.stack(place, -1), self.grid.size[-2:])
            new &= (block == num_blocks) & (missing > 0)[:, None]
            block = torch.where(new, index, block)
        return hide_blocks(block, luck[:, 0], num_blocks)
