# From the student as it was pre-trained: without Kinetics labels.
_base_ = './_base_/ava_videomae.py'

model = _base_.vit_base
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb/epoch_200.pth')

optim_wrapper = dict(
    optimizer=dict(lr=2.5e-4 * _base_.global_batch_size / 256))
param_scheduler = [_base_.warm_up, dict(_base_.cosine, eta_min_ratio=1e-6 / 2.5e-4)]
