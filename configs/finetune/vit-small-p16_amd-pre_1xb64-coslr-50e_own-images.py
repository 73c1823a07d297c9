# One's own data/own_images/{train,val}/CLASS/...; schedule and rate are a start, and ours.
_base_ = './vit-small-p16_amd-pre_8xb128-coslr-100e_in1k.py'

runner_type = 'amd_mm.ClassesFromDataRunner'
model = dict(head=dict(num_classes=None))
data_preprocessor = dict(num_classes=None)

pictures = dict(_delete_=True, type='mmpretrain.CustomDataset', data_root='data/own_images')
train_dataloader = dict(
    batch_size=64,
    dataset=dict(data_prefix='train', pipeline=_base_.train_pipeline, **pictures))
val_dataloader = dict(
    batch_size=64, dataset=dict(data_prefix='val', pipeline=_base_.test_pipeline, **pictures))
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(topk=(1, ))

optim_wrapper = dict(optimizer=dict(lr=5e-4))
train_cfg = dict(max_epochs=50)
param_scheduler = _base_.param_scheduler
param_scheduler[1].T_max, param_scheduler[1].end = 45, 50
