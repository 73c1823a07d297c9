# The teacher itself: --cfg-options model.backbone.init_cfg.checkpoint=FILE
_base_ = './_base_/finetune.py'

model = dict(
    backbone=_base_.teacher_vit, cls_head=dict(in_channels=_base_.teacher_vit.embed_dims))
