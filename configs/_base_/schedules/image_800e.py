# Images: MAE's own schedule.
_base_ = './image_100e.py'

train_cfg = dict(max_epochs=800)
param_scheduler = _base_.param_scheduler
param_scheduler[1].end = 800
