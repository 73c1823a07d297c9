"""Between the encoder and the losses: alignment with a teacher, decoder of pixels."""
from amd_mm.models.necks.alignment_neck import AlignmentNeck
from amd_mm.models.necks.neck import Neck
from amd_mm.models.necks.pixel_decoder import PixelDecoder
from amd_mm.models.necks.relation_neck import RelationNeck
from amd_mm.models.necks.teacher_standardization import TeacherStandardization

__all__ = ['AlignmentNeck', 'Neck', 'PixelDecoder', 'RelationNeck', 'TeacherStandardization']
