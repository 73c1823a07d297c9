# The comparison: VideoMAE alone, with the student's network and budget.
_base_ = './_base_/pretrain.py'

model = dict(backbone=_base_.student_vit)
