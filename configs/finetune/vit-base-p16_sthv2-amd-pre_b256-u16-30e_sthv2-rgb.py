# As released (16 GPUs of 16 videos).
_base_ = './_base_/sthv2.py'

model = _base_.vit_base
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-base-p16_b512-16x2x1-200e_sthv2-rgb/epoch_200.pth')

# Videos an update; rates are given per 256.
global_batch_size = 256
optim_wrapper = dict(optimizer=dict(lr=5e-4 * global_batch_size / 256))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(max_epochs=30)
param_scheduler = [_base_.warm_up, dict(_base_.cosine, eta_min_ratio=1e-6 / 5e-4)]
