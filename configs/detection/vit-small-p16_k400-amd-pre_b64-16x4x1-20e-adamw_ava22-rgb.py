# From the student as it was pre-trained: without Kinetics labels.
_base_ = './_base_/ava.py'

model = _base_.vit_small
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb/epoch_200.pth')
