# AVA 2.2. Network, boxes, proposals, augmentation, schedule, runtime: mmaction2's own VideoMAE
# config. What stands here is what differs from it, and ours.
_base_ = [
    'mmaction::detection/videomae/'
    'vit-base-p16_videomae-k400-pre_8xb8-16x4x1-20e-adamw_ava-kinetics-rgb.py'
]

# The student instead of mmaction2's checkpoint of the whole model.
model = dict(
    init_cfg=None,
    backbone=dict(
        type='amd_mm.VideoVisionTransformer',
        tubelet_size=2,
        # True: recompute blocks in the backward pass, for smaller devices.
        with_cp=False,
        init_cfg=dict(type='Pretrained', prefix='backbone.')))
# A recipe says `model = _base_.vit_small` or `model = _base_.vit_base`. The widths and heads of
# ViT-S; drop path, rates and their decay stay as mmaction2 has them for ViT-B.
vit_small = dict(
    backbone=dict(embed_dims=384, depth=12, num_heads=6),
    roi_head=dict(bbox_head=dict(in_channels=384)))
vit_base = dict(
    backbone=dict(embed_dims=768, depth=12, num_heads=12),
    roi_head=dict(bbox_head=dict(in_channels=768)))

# The folder that mmaction2's scripts for AVA make. Its VideoMAE config has data/ava_kinetics and
# AVAKineticsDataset, which reads no videos and takes ids of other than 11 letters for Kinetics'.
dataset_type = 'amd_mm.AVADataset'
data_root = 'data/ava/rawframes'
anno_root = 'data/ava/annotations'
ann_file_train = f'{anno_root}/ava_train_v2.2.csv'
ann_file_val = f'{anno_root}/ava_val_v2.2.csv'
exclude_file_train = f'{anno_root}/ava_train_excluded_timestamps_v2.2.csv'
exclude_file_val = f'{anno_root}/ava_val_excluded_timestamps_v2.2.csv'
label_file = f'{anno_root}/ava_action_list_v2.2_for_activitynet_2019.pbtxt'
proposal_file_train = f'{anno_root}/ava_dense_proposals_train.FAIR.recall_93.9.pkl'
proposal_file_val = f'{anno_root}/ava_dense_proposals_val.FAIR.recall_93.9.pkl'
any_part = dict(
    type=dataset_type,
    label_file=label_file,
    # Its 60 names are of the classes that are evaluated; all 80 are trained.
    unnamed_labels=True,
    # Published proposals are a detector's output; where it found nobody, mmaction2 proposes the
    # whole frame.
    missing_proposals=True,
    data_prefix=dict(img=data_root),
    # Frames are numbered from 1.
    start_index=1)
# Pictures differ in size, so they are handed over as a list.
train_dataloader = dict(
    sampler=dict(_delete_=True, type='amd_mm.EpochSampler'),
    collate_fn=dict(type='amd_mm.datasets.collate_lists'),
    dataset=dict(
        _delete_=True,
        type='amd_mm.KeyedDataset',
        num_repeats=1,
        dataset=dict(
            _base_.train_dataloader.dataset,
            ann_file=ann_file_train,
            exclude_file=exclude_file_train,
            proposal_file=proposal_file_train,
            **any_part),
        pipeline=[]))
val_dataloader = dict(
    dataset=dict(
        ann_file=ann_file_val,
        exclude_file=exclude_file_val,
        proposal_file=proposal_file_val,
        **any_part))
test_dataloader = val_dataloader
val_evaluator = dict(
    ann_file=ann_file_val, exclude_file=exclude_file_val, label_file=label_file)
test_evaluator = val_evaluator

# The videos themselves, of 30 frames a second: a recipe says
# `train_dataloader = _base_.train_videos` and `val_dataloader = _base_.val_videos`.
videos = dict(use_frames=False, start_index=0, data_prefix=dict(img='data/ava/videos_15min'))
open_video = dict(type='amd_mm.PyAVInit')
decode_video = dict(type='amd_mm.PyAVDecode')
train_videos = dict(dataset=dict(dataset=dict(
    pipeline=[open_video, *(
        decode_video if step.type == 'RawFrameDecode' else step
        for step in _base_.train_pipeline)],
    **videos)))
val_videos = dict(dataset=dict(
    pipeline=[open_video, *(
        decode_video if step.type == 'RawFrameDecode' else step
        for step in _base_.val_pipeline)],
    **videos))

# Clips an update: mmaction2's 8 GPUs of 8; its rate, given per 256, and its schedule.
global_batch_size = 64
optim_wrapper = dict(optimizer=dict(lr=5e-4 * global_batch_size / 256))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(type='amd_mm.EpochTrainLoop', max_epochs=20)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=0., begin=5, convert_to_iter_based=True),
]
custom_hooks = [
    dict(type='amd_mm.NonFiniteLossHook'),
    dict(type='amd_mm.WorkDirLockHook'),
    dict(type='amd_mm.EffectiveBatchHook'),
    dict(type='amd_mm.BadSampleHook'),
    dict(type='amd_mm.ThroughputHook'),
    dict(type='amd_mm.ReportHook'),
]
default_hooks = dict(checkpoint=dict(type='amd_mm.WholeCheckpointHook'))
# Fixed, because a resumed run has to draw the order of the data that the first one drew.
randomness = dict(seed=0)
