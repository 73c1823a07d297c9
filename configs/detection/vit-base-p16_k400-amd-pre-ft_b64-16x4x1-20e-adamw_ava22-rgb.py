# From the student fine-tuned on Kinetics-400: with its labels.
_base_ = './_base_/ava.py'

model = _base_.vit_base
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/vit-base-p16_k400-amd-pre_b512-16x4x1-90e_kinetics400-rgb/epoch_90.pth')
