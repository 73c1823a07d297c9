# VideoMAE V2's ViT-g as teacher, its weights shared out over the GPUs. The student has
# patches of 14 x 14 too, so that nothing has to be resized for the teacher.
_base_ = '../amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py'

model = dict(
    backbone=dict(patch_size=14),
    teacher=dict(backbone=_base_.vit_giant.backbone, taps=(20, 40), shard=True))
