from amd_mm.models.algorithms import AMD, MaskedAutoencoder
from amd_mm.models.backbones import ImageVisionTransformer, VideoVisionTransformer
from amd_mm.models.heads import PixelHead
from amd_mm.models.losses import FeatureAlignmentLoss
from amd_mm.models.masks import AsymmetricMaskGenerator, TokenGrid, TokenMask
from amd_mm.models.nearest_neighbours import NearestNeighbours
from amd_mm.models.necks import AlignmentNeck, PixelDecoder
from amd_mm.models.teachers import FrozenTeacher

__all__ = [
    'AMD', 'AlignmentNeck', 'AsymmetricMaskGenerator', 'FeatureAlignmentLoss', 'FrozenTeacher',
    'ImageVisionTransformer', 'MaskedAutoencoder', 'NearestNeighbours', 'PixelDecoder',
    'PixelHead', 'TokenGrid', 'TokenMask', 'VideoVisionTransformer'
]
