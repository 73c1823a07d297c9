# A student of Kinetics-400, without its labels.
_base_ = './_base_/hmdb51.py'

model = _base_.vit_base
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb/epoch_200.pth')
