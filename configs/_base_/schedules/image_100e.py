# Images: the released command line of DMAE (there 8 GPUs of 128 images, accumulating 4), with the
# warm-up of its main_distill.py.
_base_ = './adamw.py'

# Images an update; rates are given per 256.
global_batch_size = 4096
optim_wrapper = dict(optimizer=dict(lr=1.5e-4 * global_batch_size / 256))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)

train_cfg = dict(type='amd_mm.EpochTrainLoop', max_epochs=100)
param_scheduler = [
    # The released code starts from 0, which MMEngine's factors cannot.
    dict(type='LinearLR', start_factor=1e-6, end=20, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=0., begin=20, convert_to_iter_based=True),
]
