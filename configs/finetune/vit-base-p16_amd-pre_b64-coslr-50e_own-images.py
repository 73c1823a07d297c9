# As ViT-S's; a student of AMD, another: --cfg-options model.backbone.init_cfg.checkpoint=FILE
_base_ = './vit-small-p16_amd-pre_b64-coslr-50e_own-images.py'

model = _base_.vit_base
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/amd_vit-base-p16_b4096-800e_in1k/epoch_800.pth')
