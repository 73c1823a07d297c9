# Feature distillation from the same DINOv2: both see everything, and no pixel is predicted.
_base_ = './pictures_pretrain_amd_dinov2.py'

model = dict(
    decoder=None,
    head=None,
    mask_generator=dict(student_ratio=0., teacher_ratio=0.),
    neck=dict(generation=None))
