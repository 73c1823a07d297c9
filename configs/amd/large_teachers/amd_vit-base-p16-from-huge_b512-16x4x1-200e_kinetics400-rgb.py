# VideoMAE's ViT-H as teacher, its weights shared out over the GPUs.
_base_ = '../amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py'

model = dict(teacher=dict(backbone=_base_.vit_huge.backbone, taps=(16, 32), shard=True))
