# Linear probing on one's own videos: lists and class names as for fine-tuning
# (configs/finetune/_base_/own_videos.py). The encoder is frozen; clips are cropped and flipped, and
# nothing else is done to them. Batch, rate and length are a start, and ours.
_base_ = '../../finetune/_base_/own_videos.py'

model = dict(
    backbone=dict(frozen=True, drop_path_rate=0.),
    cls_head=dict(label_smooth_eps=0.),
    data_preprocessor=dict(blending=None))
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='mmaction.RandomResizedCrop'),
    dict(type='mmaction.Resize', scale=(224, 224), keep_ratio=False),
    _base_.flip,
    dict(type='mmaction.FormatShape', input_format='NCTHW'),
    dict(type='mmaction.PackActionInputs'),
]))

global_batch_size = 8
# 1e-3.
optim_wrapper = dict(optimizer=dict(lr=3.2e-2 * global_batch_size / 256))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(max_epochs=30)
param_scheduler = [_base_.warm_up, dict(_base_.cosine, eta_min=0.)]
