# 16 GPUs of 16 videos, as released; the rate is given per 256 videos.
_base_ = './_base_/sthv2.py'

model = _base_.vit_base
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-base-p16_32xb16-16x2x1-200e_sthv2-rgb/epoch_200.pth')

optim_wrapper = dict(optimizer=dict(lr=5e-4 * 256 / 256))
auto_scale_lr = dict(base_batch_size=256, enable=False)
train_cfg = dict(max_epochs=30)
param_scheduler = _base_.param_scheduler
param_scheduler[0].start_factor = 1e-6 / 5e-4
param_scheduler[1].eta_min_ratio = 1e-6 / 5e-4
param_scheduler[1].end = 30
