# MAE's ViT-L as the frozen teacher of an image student, without taps.
# Its weights: --cfg-options model.teacher.checkpoint=FILE
_base_ = './mae.py'

model = dict(
    type='amd_mm.AMD',
    teacher=dict(
        type='amd_mm.FrozenTeacher',
        backbone=dict(**_base_.model.backbone, **_base_.vit_large.backbone)))
