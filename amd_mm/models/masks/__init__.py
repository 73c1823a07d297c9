"""Which tokens student and teachers see: one generator of fixed counts, one file a strategy."""
from amd_mm.models.masks.attention_masking import AttentionMasking
from amd_mm.models.masks.block_masking import BlockMasking
from amd_mm.models.masks.generator import AsymmetricMaskGenerator
from amd_mm.models.masks.motion_masking import MotionMasking
from amd_mm.models.masks.multi_block_masking import MultiBlockMasking
from amd_mm.models.masks.random_masking import RandomMasking
from amd_mm.models.masks.running_cell_masking import RunningCellMasking
from amd_mm.models.masks.strategy import MaskDraw, MaskStrategy
from amd_mm.models.masks.tube_masking import TubeMasking

__all__ = [
    'AsymmetricMaskGenerator', 'AttentionMasking', 'BlockMasking', 'MaskDraw', 'MaskStrategy',
    'MotionMasking', 'MultiBlockMasking', 'RandomMasking', 'RunningCellMasking', 'TubeMasking'
]
