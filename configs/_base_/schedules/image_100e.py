# Images: the released command line of DMAE, 32 GPUs of 128 images (there 8, accumulating 4).
_base_ = './adamw.py'

# Rates are given per 256 images.
optim_wrapper = dict(optimizer=dict(lr=1.5e-4 * 4096 / 256))
auto_scale_lr = dict(base_batch_size=4096, enable=False)

train_cfg = dict(type='amd_mm.EpochTrainLoop', max_epochs=100)
param_scheduler = [
    # The released code starts from 0, which MMEngine's factors cannot.
    dict(type='LinearLR', start_factor=1e-6, end=40, convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR', eta_min=0., begin=40, end=100, convert_to_iter_based=True),
]
