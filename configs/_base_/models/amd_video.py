# AMD on clips, as released, without the student's size; the teacher is VideoMAE's ViT-L:
# arXiv 2311.03149. Its weights: --cfg-options model.teacher.checkpoint=FILE
_base_ = './videomae.py'

model = dict(
    type='amd_mm.AMD',
    teacher=dict(
        type='amd_mm.FrozenTeacher',
        backbone=dict(**_base_.model.backbone, **_base_.vit_large.backbone),
        taps=(12, 24)),
    taps=(6, 12),
    mask_generator=dict(teacher_ratio=0.75),
    neck=dict(
        type='amd_mm.AlignmentNeck',
        # Raw features, as released.
        direct=dict(
            type='amd_mm.FeatureAlignmentLoss', distance='l2', normalize=None, loss_weight=1.),
        generation=dict(
            type='amd_mm.FeatureAlignmentLoss', distance='l2', normalize=None, loss_weight=1.),
        generator_depth=2))
