# A student of DMAE.
_base_ = './_base_/coco.py'

model = _base_.vit_base
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/dmae_vit-base-p16_b4096-100e_in1k/epoch_100.pth')
