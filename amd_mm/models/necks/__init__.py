"""Between the encoder and the losses: alignment with a teacher, decoder of pixels."""
from amd_mm.models.necks.alignment_neck import AlignmentNeck
from amd_mm.models.necks.pixel_decoder import PixelDecoder

__all__ = ['AlignmentNeck', 'PixelDecoder']
