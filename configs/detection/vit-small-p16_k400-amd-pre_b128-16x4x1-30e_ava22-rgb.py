# From the student as it was pre-trained: without Kinetics labels.
_base_ = './_base_/ava_videomae.py'

model = _base_.vit_small
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb/epoch_200.pth')

optim_wrapper = dict(
    optimizer=dict(lr=1e-3 * _base_.global_batch_size / 256), paramwise_cfg=dict(decay_rate=0.6))
param_scheduler = [_base_.warm_up, dict(_base_.cosine, eta_min_ratio=1e-6 / 1e-3)]
