# Images: MAE's own schedule.
_base_ = './image_100e.py'

train_cfg = dict(max_epochs=800)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, end=40, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=0., begin=40, convert_to_iter_based=True),
]
