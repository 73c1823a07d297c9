# As for ViT-S.
_base_ = './vit-small-p16_amd-pre_faster-rcnn_b16-lsj-100e_own-boxes.py'

model = _base_.vit_base
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-base-p16_b4096-800e_in1k/epoch_800.pth')
