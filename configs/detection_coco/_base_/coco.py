# Mask R-CNN on COCO 2017 as ViTDet has it (arXiv 2203.16527, and its released config
# mask_rcnn_vitdet_b_100ep), without its relative positions. Heads, assigners and thresholds:
# mmdet's own Mask R-CNN.
_base_ = ['../../_base_/default_runtime.py', 'mmdet::_base_/models/mask-rcnn_r50_fpn.py']

# Pixels of a side. The longer side gets it in tests; every picture is padded to that square.
picture_size = 1024
layer_norm = dict(type='mmpretrain.LN2d', eps=1e-6)
model = dict(
    type='mmdet.MaskRCNN',
    data_preprocessor=dict(pad_size_divisor=picture_size),
    backbone=dict(
        _delete_=True,
        type='amd_mm.ImageVisionTransformer',
        out_type='featmap',
        final_norm=False,
        # Of pre-training; positions are interpolated to the picture, and learn.
        img_size=224,
        fixed_positions=False,
        drop_path_rate=0.1,
        window_size=14,
        global_blocks=4,
        # True: recompute blocks in the backward pass, for smaller devices.
        with_cp=False,
        init_cfg=dict(type='Pretrained', prefix='backbone.')),
    neck=dict(_delete_=True, type='amd_mm.SimpleFeaturePyramid', out_channels=256, num_outs=5),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead', conv_out_channels=256, norm_cfg=layer_norm),
        mask_head=dict(norm_cfg=layer_norm)))
# A recipe says `model = _base_.vit_small` or `model = _base_.vit_base`. ViT-S has ViT-B's drop
# path, rate and decay: no others are published for it.
vit_small = dict(backbone=dict(arch='deit-small'), neck=dict(in_channels=384))
vit_base = dict(backbone=dict(arch='base'), neck=dict(in_channels=768))

# Large-scale jitter: a picture 0.1 to 2 times as large as the square, and a square cut out of it.
square = (picture_size, picture_size)
train_pipeline = [
    dict(type='amd_mm.LoadPicture'),
    dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='mmdet.RandomFlip', prob=0.5),
    dict(type='RandomResize', scale=square, ratio_range=(0.1, 2.0), keep_ratio=True,
         resize_type='mmdet.Resize'),
    dict(type='mmdet.RandomCrop', crop_size=square, recompute_bbox=True,
         allow_negative_crop=True),
    # A square without an object counts too.
    dict(type='mmdet.FilterAnnotations', min_gt_bbox_wh=(1e-2, 1e-2), keep_empty=False),
    dict(type='mmdet.PackDetInputs'),
]
# Of data without masks.
box_pipeline = [dict(step, with_mask=False) if step['type'] == 'mmdet.LoadAnnotations' else step
                for step in train_pipeline]
test_pipeline = [
    dict(type='amd_mm.LoadPicture'),
    dict(type='mmdet.Resize', scale=square, keep_ratio=True),
    dict(type='mmdet.PackDetInputs',
         meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
data_root = 'data/coco'
train_dataloader = dict(
    # What a GPU holds; batches are accumulated up to global_batch_size.
    batch_size=4,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='amd_mm.EpochSampler'),
    collate_fn=dict(type='amd_mm.datasets.collate_lists'),
    dataset=dict(
        type='amd_mm.KeyedDataset',
        num_repeats=1,
        dataset=dict(
            type='mmdet.CocoDataset',
            data_root=data_root,
            ann_file='annotations/instances_train2017.json',
            data_prefix=dict(img='train2017'),
            filter_cfg=dict(filter_empty_gt=True, min_size=32),
            pipeline=train_pipeline),
        pipeline=[]))
val_dataloader = test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmdet.CocoDataset',
        data_root=data_root,
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017'),
        test_mode=True,
        pipeline=test_pipeline))
val_evaluator = test_evaluator = dict(
    type='mmdet.CocoMetric',
    ann_file=f'{data_root}/annotations/instances_val2017.json',
    metric=['bbox', 'segm'])

# Pictures an update; rates are given per 256.
global_batch_size = 64
optim_wrapper = dict(
    # Half precision: mmcv's compiled RoIAlign knows no bfloat16.
    type='AmpOptimWrapper',
    dtype='float16',
    loss_scale='dynamic',
    optimizer=dict(
        type='AdamW', lr=4e-4 * global_batch_size / 256, betas=(0.9, 0.999), weight_decay=0.1),
    constructor='amd_mm.LayerDecayConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.7, norm_decay_mult=0., custom_keys={'.pos_embed': dict(decay_mult=0.)}))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(type='amd_mm.EpochTrainLoop', max_epochs=100, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# The released steps, at 88.9 and 96.3 % of all updates, in whole epochs.
warm_up = dict(type='LinearLR', start_factor=1e-3, by_epoch=False, end=250)
param_scheduler = [warm_up, dict(type='MultiStepLR', milestones=[89, 96], gamma=0.1)]
default_hooks = dict(checkpoint=dict(save_best='coco/bbox_mAP'))
