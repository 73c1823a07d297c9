# From the student fine-tuned on Kinetics-400: with its labels.
_base_ = './_base_/ava.py'

model = _base_.vit_small
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/vit-small-p16_k400-amd-pre_b512-16x4x1-150e_kinetics400-rgb/epoch_150.pth')
