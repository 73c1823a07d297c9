# A student of AMD; another: --cfg-options model.backbone.init_cfg.checkpoint=FILE
_base_ = './_base_/linear_own_videos.py'

model = _base_.vit_base
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb/epoch_200.pth')
