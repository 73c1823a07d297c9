"""Distances that are trained on, one file a loss."""
from amd_mm.models.losses.feature_alignment_loss import FeatureAlignmentLoss
from amd_mm.models.losses.pixel_loss import PixelLoss
from amd_mm.models.losses.relation_loss import RelationLoss

__all__ = ['FeatureAlignmentLoss', 'PixelLoss', 'RelationLoss']
