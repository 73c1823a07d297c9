# Clips, every network and data set: the released command lines of AMD. A batch counts videos:
# 32 GPUs of 16, each giving 4 clips, so that 200 epochs are the "800 epochs" of the tables.
_base_ = './adamw.py'

# Rates are given per 256 videos.
optim_wrapper = dict(optimizer=dict(lr=1.2e-3 * 512 / 256), clip_grad=dict(max_norm=0.02))
auto_scale_lr = dict(base_batch_size=512, enable=False)

train_cfg = dict(type='amd_mm.EpochTrainLoop', max_epochs=200)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6 / 1.2e-3, end=10, convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=1e-5 / 1.2e-3,
        begin=10,
        end=200,
        convert_to_iter_based=True),
]
