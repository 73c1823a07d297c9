# A teacher of its own: MAE in a larger network, twice as long.
_base_ = './_base_/pretrain_pictures.py'

model = dict(backbone=dict(_delete_=True, **_base_.teacher_vit))
train_cfg = dict(max_epochs=12)
