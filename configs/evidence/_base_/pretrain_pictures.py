# Pre-training on 10,000 pictures without their labels.
_base_ = ['./pictures.py', '../../_base_/models/mae.py']

model = dict(
    backbone=_base_.student_vit,
    decoder=dict(embed_dims=96, depth=2, num_heads=3))
train_dataloader = dict(
    dataset=dict(
        type='amd_mm.KeyedDataset',
        num_repeats=1,
        dataset=dict(
            ann_file='pretrain.txt',
            with_label=False,
            pipeline=[dict(type='amd_mm.LoadPicture')],
            **_base_.pictures),
        pipeline=_base_.crop))
# AdamW and its betas are MAE's; the rate is ours.
train_cfg = dict(max_epochs=6)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=0.004 * _base_.global_batch_size / 256, betas=(0.9, 0.95),
        weight_decay=0.05),
    paramwise_cfg=dict(flat_decay_mult=0., custom_keys=dict(mask_token=dict(decay_mult=0.))),
    clip_grad=dict(max_norm=1.))
