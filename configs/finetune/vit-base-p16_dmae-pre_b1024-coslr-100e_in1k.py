# A student of DMAE, as released: layer decay, drop path and warm-up are the defaults of
# main_finetune.py.
_base_ = './_base_/in1k.py'

model = _base_.vit_base
model.backbone.init_cfg = dict(
    checkpoint='work_dirs/dmae_vit-base-p16_b4096-100e_in1k/epoch_100.pth')
model.backbone.drop_path_rate = 0.15

optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.75))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, end=20, convert_to_iter_based=True),
    dict(_base_.cosine, begin=20),
]
