"""Networks and losses: masks, backbones, teachers, necks, heads, algorithms."""
from amd_mm.models.algorithms import AMD, MaskedAutoencoder
from amd_mm.models.backbones import Encoder, ImageVisionTransformer, VideoVisionTransformer
from amd_mm.models.heads import PixelHead
from amd_mm.models.losses import FeatureAlignmentLoss, PixelLoss, RelationLoss
from amd_mm.models.masks import AsymmetricMaskGenerator
from amd_mm.models.nearest_neighbours import NearestNeighbours
from amd_mm.models.necks import (
    AlignmentNeck,
    Neck,
    PixelDecoder,
    RelationNeck,
    SimpleFeaturePyramid,
    TeacherStandardization,
)
from amd_mm.models.roi_extractor import MovingRoIExtractor
from amd_mm.models.teachers import FrozenTeacher

__all__ = [
    'AMD', 'AlignmentNeck', 'AsymmetricMaskGenerator', 'Encoder', 'FeatureAlignmentLoss',
    'FrozenTeacher', 'ImageVisionTransformer', 'MaskedAutoencoder', 'MovingRoIExtractor',
    'NearestNeighbours', 'Neck', 'PixelDecoder', 'PixelHead', 'PixelLoss', 'RelationLoss',
    'RelationNeck', 'SimpleFeaturePyramid', 'TeacherStandardization', 'VideoVisionTransformer'
]
