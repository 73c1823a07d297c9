from amd_mm.models.necks.alignment_neck import AlignmentNeck
from amd_mm.models.necks.pixel_decoder import PixelDecoder

__all__ = ['AlignmentNeck', 'PixelDecoder']
