# VideoMAE alone.
_base_ = './_base_/pretrain.py'

model = dict(backbone=_base_.student_vit)
