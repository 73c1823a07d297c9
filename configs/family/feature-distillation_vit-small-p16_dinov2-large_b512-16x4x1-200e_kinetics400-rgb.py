# Plain feature distillation of clips, frame by frame. Published for pictures by Wei et al., arXiv
# 2205.14141: layer-normalised targets; the distance and all of clips is ours.
_base_ = ['./_base_/video_features.py', './_base_/on_kinetics400.py']

model = dict(
    backbone=_base_.vit_small.backbone,
    teacher=dict(taps=(24, ), normalize=True, frames='first', **_base_.dinov2_large),
    taps=(12, ),
    mask_generator=dict(student_ratio=0.),
    neck=dict(
        type='amd_mm.AlignmentNeck',
        projection_bias=True,
        direct=dict(type='amd_mm.FeatureAlignmentLoss', distance='smooth_l1',
                    normalize='layer_norm', loss_weight=1.),
        generation=None))
