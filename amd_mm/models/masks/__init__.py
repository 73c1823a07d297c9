"""Which tokens student and teachers see: one generator of fixed counts, one file a strategy."""
from amd_mm.models.masks.generator import AsymmetricMaskGenerator
from amd_mm.models.masks.random_masking import RandomMasking
from amd_mm.models.masks.strategy import MaskDraw, MaskStrategy
from amd_mm.models.masks.tube_masking import TubeMasking

__all__ = [
    'AsymmetricMaskGenerator', 'MaskDraw', 'MaskStrategy', 'RandomMasking', 'TubeMasking'
]
