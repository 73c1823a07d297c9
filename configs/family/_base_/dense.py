# Visible and masked tokens learn the teacher's features alike, layer-normalised, by L1. V-JEPA's
# masks.
_base_ = './blocks.py'

dense = dict(
    type='amd_mm.AlignmentNeck',
    direct=dict(type='amd_mm.FeatureAlignmentLoss', distance='l1', normalize='layer_norm',
                loss_weight=0.5),
    generation=dict(type='amd_mm.FeatureAlignmentLoss', distance='l1', normalize='layer_norm',
                    loss_weight=1.),
    generator_depth=2)
