# Clips, every network and data set: the released command lines of AMD (32 GPUs of 16 videos). A
# batch counts videos, each giving 4 clips, so that 200 epochs are the "800 epochs" of the tables.
_base_ = './adamw.py'

# Videos an update; rates are given per 256.
global_batch_size = 512
optim_wrapper = dict(
    optimizer=dict(lr=1.2e-3 * global_batch_size / 256),
    # Images decay theirs, as MAE and DMAE do.
    paramwise_cfg=dict(custom_keys=dict(mask_token=dict(decay_mult=0.))),
    clip_grad=dict(max_norm=0.02))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)

train_cfg = dict(type='amd_mm.EpochTrainLoop', max_epochs=200)
param_scheduler = [
    # The released code starts from 0 (its --warmup_lr is never passed on).
    dict(type='LinearLR', start_factor=1e-6, end=10, convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=1e-5 / 1.2e-3,
        begin=10,
        convert_to_iter_based=True),
]
