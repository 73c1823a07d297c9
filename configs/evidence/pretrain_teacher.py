# The teacher: VideoMAE in a larger network, and longer.
_base_ = './_base_/pretrain.py'

model = dict(backbone=_base_.teacher_vit)
train_cfg = dict(max_epochs=16)
