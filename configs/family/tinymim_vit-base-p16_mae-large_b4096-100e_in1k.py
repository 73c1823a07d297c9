# TinyMIM's ViT-B: published by Ren et al., arXiv 2301.01296; of MAE's ViT-L block 18 is read.
_base_ = './tinymim_vit-small-p16_mae-base_b4096-100e_in1k.py'

model = dict(
    teacher=dict(backbone=_base_.vit_large.backbone, taps=(18, )), **_base_.vit_base)
