"""Behind the encoder: alignment with a teacher, decoder of pixels, maps of several strides."""
from amd_mm.models.necks.alignment_neck import AlignmentNeck
from amd_mm.models.necks.neck import Neck
from amd_mm.models.necks.pixel_decoder import PixelDecoder
from amd_mm.models.necks.relation_neck import RelationNeck
from amd_mm.models.necks.simple_feature_pyramid import SimpleFeaturePyramid
from amd_mm.models.necks.teacher_standardization import TeacherStandardization

__all__ = [
    'AlignmentNeck', 'Neck', 'PixelDecoder', 'RelationNeck', 'SimpleFeaturePyramid',
    'TeacherStandardization'
]
