# AMD with that teacher: --cfg-options model.teacher.checkpoint=FILE
_base_ = './_base_/align_pictures.py'

model = dict(
    teacher=dict(type='amd_mm.FrozenTeacher', backbone=_base_.teacher_vit, taps=(5, 9)))
