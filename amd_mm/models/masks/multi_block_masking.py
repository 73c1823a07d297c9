"""Some blocks of one size over all frames (V-JEPA, multi-block masks)."""
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
class MultiBlockMasking(MaskStrategy):
    """Masks what a number of blocks of one area cover, the same in every frame (V-JEPA).

    How many tokens are masked is still ``student_ratio``: where the blocks cover less, others are
    masked at random; where they cover more, the last blocks are cut. (V-JEPA shows all that is
    not covered, up to the least of its batch.)

    Args:
        grid: The tokens; filled in by the mask generator.
        num_blocks: How many; V-JEPA has two kinds of masks, of 8 small blocks and of 2 large ones.
        area: Fraction of a frame that a block covers, in (0, 1]; 0.15 and 0.7 in V-JEPA.
        aspect: Smallest and largest rows over columns; 0.75 and 1.5 in V-JEPA.

    Raises:
        ValueError: If ratios are not in order.
    """

    per_frame = True

    @takes(
        grid=GRID,
        num_blocks=whole(1),
        area=number(above=0, high=1),
        aspect=list_of(number(above=0), 2))
    def __init__(self, grid: TokenGrid, num_blocks: int, area: float,
                 aspect: Sequence[float]) -> None:
        super().__init__(grid)
        low, high = aspect
        if low > high:
            raise ValueError(
                f'aspect of MultiBlockMasking must be (smallest, largest), got {tuple(aspect)}: '
                'change it in model.mask_generator.strategy.')
        self.num_blocks = num_blocks
        places = int(area * self.length)
        self.register_buffer('shapes', torch.tensor([
            block_shape(places, low + (high - low) * step / (ASPECTS - 1), grid.size[-2:])
            for step in range(ASPECTS)]), persistent=False)
        self.shapes: Tensor

    def scores(self, draw: MaskDraw) -> Tensor:
        """As :meth:`MaskStrategy.scores`, (B, L)."""
        luck = hash_positions(draw.keys, 3 * self.num_blocks + 1)
        aspect, *place = luck[:, 1:].unflatten(1, (self.num_blocks, 3)).unbind(-1)
        inside = covered(
            self.shapes[aspect % ASPECTS], torch.stack(place, -1), self.grid.size[-2:])
        numbers = torch.arange(self.num_blocks, device=luck.device)[:, None]
        block = torch.where(inside, numbers, self.num_blocks).amin(1)
        return hide_blocks(block, luck[:, 0], self.num_blocks)
