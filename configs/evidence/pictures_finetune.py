# All weights, on a list of labelled pictures: train_dataloader.dataset.dataset.ann_file=LIST
# Any student: --cfg-options model.backbone.init_cfg.checkpoint=FILE
_base_ = './_base_/labelled_pictures.py'

model = dict(
    head=dict(
        type='mmpretrain.LinearClsHead', num_classes=10, in_channels=128,
        loss=dict(type='mmpretrain.LabelSmoothLoss', label_smooth_val=0.1)))
train_cfg = dict(max_epochs=8)
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=0.002 * _base_.global_batch_size / 256, weight_decay=0.05),
    paramwise_cfg=dict(flat_decay_mult=0.),
    clip_grad=dict(max_norm=5.))
