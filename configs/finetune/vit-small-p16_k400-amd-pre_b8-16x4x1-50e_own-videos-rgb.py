# One's own videos: lists and class names from tools/data/make_lists.py, see docs/finetuning.md.
# Schedule and rate are a start, and ours.
_base_ = './_base_/own_videos.py'

model = _base_.vit_small
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb/epoch_200.pth')

global_batch_size = 8
# 1e-4.
optim_wrapper = dict(optimizer=dict(lr=3.2e-3 * global_batch_size / 256))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(max_epochs=50)
param_scheduler = [_base_.warm_up, dict(_base_.cosine, eta_min_ratio=1e-6 / 7e-4)]
