# 32 GPUs of 16 videos, as released; the rate is given per 256 videos.
_base_ = './_base_/kinetics400.py'

model = _base_.vit_small
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-small-p16_32xb16-16x4x1-200e_kinetics400-rgb/epoch_200.pth')

optim_wrapper = dict(optimizer=dict(lr=1e-3 * 512 / 256))
auto_scale_lr = dict(base_batch_size=512, enable=False)
train_cfg = dict(max_epochs=150)
param_scheduler = _base_.param_scheduler
param_scheduler[0].start_factor = 1e-6 / 1e-3
param_scheduler[1].eta_min_ratio = 1e-6 / 1e-3
param_scheduler[1].end = 150
