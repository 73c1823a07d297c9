# SALT's second stage: published by Li et al. (Apple), arXiv 2509.24317, without code. The
# teacher of pixels is VideoMAE's ViT-L here; targets as they are; one of two kinds of masks.
_base_ = ['./_base_/video_features.py', './_base_/blocks.py', './_base_/on_kinetics400.py']

model = dict(
    backbone=_base_.vit_base.backbone,
    teacher=dict(
        type='amd_mm.FrozenTeacher',
        backbone=dict(**_base_.model.backbone, **_base_.vit_large.backbone),
        taps=(24, )),
    taps=(12, ),
    mask_generator=dict(strategy=dict(_delete_=True, **_base_.long_range), teacher_ratio=0.),
    neck=dict(
        type='amd_mm.AlignmentNeck',
        direct=None,
        generation=dict(
            type='amd_mm.FeatureAlignmentLoss', distance='l1', normalize=None, loss_weight=1.),
        generator_depth=4))
