# MAE's ViT-H as teacher, its weights shared out over the GPUs. The student has
# patches of 14 x 14 too, so that nothing has to be resized for the teacher.
_base_ = '../amd_vit-base-p16_b4096-800e_in1k.py'

model = dict(
    backbone=dict(patch_size=14),
    teacher=dict(backbone=_base_.vit_huge.backbone, taps=(16, 32), shard=True))
