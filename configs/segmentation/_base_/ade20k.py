# ADE20K. Network, crops, rates and schedule: mmsegmentation's own config for MAE's ViT-B. What
# stands here is what differs from it, and ours.
_base_ = ['mmseg::mae/mae-base_upernet_8xb2-amp-160k_ade20k-512x512.py']

default_scope = None
# The student instead of mmsegmentation's MAE: the same blocks, without relative position bias and
# layer scale. Maps are raw outputs of blocks, without the class token.
model = dict(
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type='amd_mm.ImageVisionTransformer',
        img_size=512,
        drop_path_rate=0.1,
        out_type='featmap',
        out_indices=(3, 5, 7, 11),
        final_norm=False,
        fixed_positions=False,
        init_cfg=dict(type='Pretrained', prefix='backbone.')))
# A recipe says `model = _base_.vit_small` or `model = _base_.vit_base`. The head is as wide as the
# encoder; drop path, rates and their decay are ViT-B's.
vit_small = dict(
    backbone=dict(arch='deit-small'),
    neck=dict(embed_dim=384),
    decode_head=dict(in_channels=[384] * 4, channels=384),
    auxiliary_head=dict(in_channels=384))
vit_base = dict(
    backbone=dict(arch='base'),
    neck=dict(embed_dim=768),
    decode_head=dict(in_channels=[768] * 4, channels=768),
    auxiliary_head=dict(in_channels=768))

# The host's pipelines with our way to read a picture; what label 0 is says the data set.
reading = dict(
    LoadImageFromFile=dict(type='amd_mm.LoadPicture'),
    LoadAnnotations=dict(type='mmseg.LoadAnnotations'))
train_pipeline = [reading.get(step['type'], step) for step in _base_.train_pipeline]
test_pipeline = [reading.get(step['type'], step) for step in _base_.test_pipeline]
val_dataloader = test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

# Pictures an update: the host's 8 GPUs of 2; its rate, given per 256.
global_batch_size = 16
train_dataloader = dict(
    # What a GPU holds; batches are accumulated up to global_batch_size.
    batch_size=2,
    sampler=dict(_delete_=True, type='amd_mm.EpochSampler'),
    # Pictures smaller than a crop differ in size; the model pads them.
    collate_fn=dict(type='amd_mm.datasets.collate_lists'),
    dataset=dict(
        _delete_=True,
        type='amd_mm.KeyedDataset',
        num_repeats=1,
        dataset=dict(_base_.train_dataloader.dataset, pipeline=train_pipeline),
        pipeline=[]))
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),
    optimizer=dict(lr=1.6e-3 * global_batch_size / 256),
    constructor='amd_mm.LayerDecayConstructor',
    paramwise_cfg=dict(_delete_=True, layer_decay_rate=0.65, flat_decay_mult=0.))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
# The host's 160,000 updates are 126.7 epochs of 1,263 (20,210 pictures); it validates every 12.7.
train_cfg = dict(_delete_=True, type='amd_mm.EpochTrainLoop', max_epochs=127, val_interval=13)
warm_up_epochs = 1500 / 1263
fall = dict(type='PolyLR', eta_min=0., power=1., convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, end=warm_up_epochs, convert_to_iter_based=True),
    dict(fall, begin=warm_up_epochs),
]
custom_hooks = [
    dict(type='amd_mm.NonFiniteLossHook'),
    dict(type='amd_mm.WorkDirLockHook'),
    dict(type='amd_mm.EffectiveBatchHook'),
    dict(type='amd_mm.BadSampleHook'),
    dict(type='amd_mm.LabelRangeHook'),
    dict(type='amd_mm.ThroughputHook'),
    dict(type='amd_mm.ReportHook'),
]
default_hooks = dict(
    logger=dict(log_metric_by_epoch=True),
    checkpoint=dict(type='amd_mm.WholeCheckpointHook', by_epoch=True, interval=1,
                    max_keep_ckpts=3, save_best='mIoU'))
log_processor = dict(by_epoch=True)
# Fixed, because a resumed run has to draw the order of the data that the first one drew.
randomness = dict(seed=0)
