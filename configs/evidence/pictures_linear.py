# A linear probe on a list of labelled pictures: the encoder is frozen.
# Any student: --cfg-options model.backbone.init_cfg.checkpoint=FILE
_base_ = './_base_/labelled_pictures.py'

model = dict(
    backbone=dict(frozen=True),
    neck=dict(type='mmpretrain.ClsBatchNormNeck', input_features=128),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=10, in_channels=128))
train_cfg = dict(max_epochs=8)
optim_wrapper = dict(optimizer=dict(
    type='AdamW', lr=0.04 * _base_.global_batch_size / 256, weight_decay=0.))
