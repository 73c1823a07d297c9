# From the student fine-tuned on Kinetics-400: with its labels.
_base_ = './_base_/ava_videomae.py'

model = _base_.vit_small
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/vit-small-p16_k400-amd-pre_b512-16x4x1-150e_kinetics400-rgb/epoch_150.pth')

optim_wrapper = dict(
    optimizer=dict(lr=5e-4 * _base_.global_batch_size / 256), paramwise_cfg=dict(decay_rate=0.6))
param_scheduler = [_base_.warm_up, dict(_base_.cosine, eta_min_ratio=1e-6 / 5e-4)]
