from amd_mm.models.losses.feature_alignment_loss import FeatureAlignmentLoss

__all__ = ['FeatureAlignmentLoss']
