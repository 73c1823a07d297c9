# One's own data/own_images/{train,val}/CLASS/...; schedule and rate are a start, and ours.
_base_ = './vit-small-p16_amd-pre_b1024-coslr-100e_in1k.py'

runner_type = 'amd_mm.ClassesFromDataRunner'
model = dict(head=dict(num_classes=None))
data_preprocessor = dict(num_classes=None)

pictures = dict(_delete_=True, type='amd_mm.PictureDataset', data_root='data/own_images')
held_out = dict(data_prefix='val', pipeline=_base_.test_pipeline, **pictures)
train_dataloader = dict(
    batch_size=64,
    dataset=dict(dataset=dict(data_prefix='train', pipeline=_base_.train_pipeline, **pictures)))
val_dataloader = test_dataloader = dict(batch_size=64, dataset=held_out)
val_evaluator = test_evaluator = dict(topk=(1, ))

global_batch_size = 64
optim_wrapper = dict(optimizer=dict(lr=2e-3 * global_batch_size / 256))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(max_epochs=50)
