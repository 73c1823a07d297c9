# In the manner of UMT, published by Li et al., arXiv 2303.16058, with code. There CLIP's features
# go through its projection too, and each student layer through positions and norms.
_base_ = ['./_base_/video_features.py', './_base_/on_kinetics400.py']

model = dict(
    backbone=dict(drop_path_rate=0.1, **_base_.vit_base.backbone),
    teacher=dict(
        taps=(7, 8, 9, 10, 11, 12), normalize=True, frames='first', **_base_.clip_base),
    taps=(7, 8, 9, 10, 11, 12),
    mask_generator=dict(
        strategy=dict(_delete_=True, type='amd_mm.AttentionMasking'),
        student_ratio=0.8, teacher_ratio=0.),
    neck=dict(
        type='amd_mm.AlignmentNeck',
        projection_bias=True,
        # 2 - 2 cosines.
        direct=dict(type='amd_mm.FeatureAlignmentLoss', distance='cosine', normalize=None,
                    loss_weight=2.),
        generation=None))
