# In the manner of MaskAlign, published by Xue et al., arXiv 2211.08887, with code. There a learnt
# matrix mixes the student's layers (Dynamic Alignment); here each learns its own level.
_base_ = ['./_base_/image_features.py', './_base_/on_imagenet.py']

model = dict(
    teacher=dict(taps=(8, 9, 10, 11, 12), **_base_.clip_base),
    taps=(8, 9, 10, 11, 12),
    mask_generator=dict(
        strategy=dict(_delete_=True, type='amd_mm.AttentionMasking'),
        student_ratio=0.7, teacher_ratio=0.),
    neck=dict(
        type='amd_mm.AlignmentNeck',
        projection_bias=True,
        align_cls_token=True,
        direct=dict(type='amd_mm.FeatureAlignmentLoss', distance='smooth_l1',
                    normalize='layer_norm', loss_weight=2.),
        generation=None),
    backbone=dict(drop_path_rate=0.1, **_base_.vit_base.backbone))
