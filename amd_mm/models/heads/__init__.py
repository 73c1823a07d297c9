"""From predictions to losses of pixels."""
from amd_mm.models.heads.pixel_head import PixelHead

__all__ = ['PixelHead']
