# A student of AMD; another: --cfg-options model.backbone.init_cfg.checkpoint=FILE
_base_ = './_base_/linear_own_images.py'

model = _base_.vit_small
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-small-p16_b4096-800e_in1k/epoch_800.pth')
