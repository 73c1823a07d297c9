# A student of MAE.
_base_ = './_base_/coco.py'

model = _base_.vit_base
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/mae_vit-base-p16_b4096-800e_in1k/epoch_800.pth')
