# Plain feature distillation: both see everything, the last features are compared. Published by
# Wei et al., arXiv 2205.14141: layer-normalised targets; the distance here is ours.
_base_ = ['./_base_/image_features.py', './_base_/on_imagenet.py']

model = dict(
    teacher=dict(taps=(24, ), normalize=True, **_base_.dinov2_large),
    taps=(12, ),
    mask_generator=dict(student_ratio=0.),
    neck=dict(
        type='amd_mm.AlignmentNeck',
        projection_bias=True,
        align_cls_token=True,
        direct=dict(type='amd_mm.FeatureAlignmentLoss', distance='smooth_l1',
                    normalize='layer_norm', loss_weight=1.),
        generation=None),
    **_base_.vit_small)
