# A student of AMD.
_base_ = './_base_/coco.py'

model = _base_.vit_small
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-small-p16_b4096-800e_in1k/epoch_800.pth')
