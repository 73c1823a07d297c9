# As released (32 GPUs of 16 videos).
_base_ = './_base_/kinetics400.py'

model = _base_.vit_small
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb/epoch_200.pth')

# Videos an update; rates are given per 256.
global_batch_size = 512
optim_wrapper = dict(optimizer=dict(lr=1e-3 * global_batch_size / 256))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(max_epochs=150)
param_scheduler = [_base_.warm_up, dict(_base_.cosine, eta_min_ratio=1e-6 / 1e-3)]
