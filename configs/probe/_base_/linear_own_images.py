# Linear probing on one's own data/own_images/{train,val}/CLASS/..., as on ImageNet-1K. Batch and
# length are a start, and ours. The number of classes is that of the folders.
_base_ = './linear_in1k.py'

runner_type = 'amd_mm.ClassesFromDataRunner'
model = dict(head=dict(num_classes=None))
data_preprocessor = dict(num_classes=None)

pictures = dict(type='amd_mm.PictureDataset', data_root='data/own_images')
held_out = dict(_delete_=True, data_prefix='val', pipeline=_base_.val_pipeline, **pictures)
train_dataloader = dict(
    batch_size=64,
    dataset=dict(dataset=dict(
        _delete_=True, data_prefix='train', pipeline=_base_.train_set.pipeline, **pictures)))
val_dataloader = test_dataloader = dict(batch_size=64, dataset=held_out)

# Pictures an update; the rate is 0.1 per 256 (MAE).
global_batch_size = 64
optim_wrapper = dict(optimizer=dict(lr=0.1 * global_batch_size / 256))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(max_epochs=50)
