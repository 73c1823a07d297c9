# One's own data/own_masks/{train,val}/{pictures,masks}; length and rate are a start, and ours.
_base_ = './vit-small-p16_amd-pre_b16-upernet-127e_ade20k-512x512.py'

runner_type = 'amd_mm.ClassesFromDataRunner'
model = dict(decode_head=dict(num_classes=None), auxiliary_head=dict(num_classes=None))

masks = dict(
    _delete_=True, type='amd_mm.MaskDataset', data_root='data/own_masks',
    metainfo=dict(classes='data/own_masks/classes.txt'))
held_out = dict(
    data_prefix=dict(img_path='val/pictures', seg_map_path='val/masks'),
    pipeline=_base_.test_pipeline, **masks)
train_dataloader = dict(dataset=dict(dataset=dict(
    data_prefix=dict(img_path='train/pictures', seg_map_path='train/masks'),
    pipeline=_base_.train_pipeline, **masks)))
val_dataloader = test_dataloader = dict(dataset=held_out)

train_cfg = dict(max_epochs=50, val_interval=5)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, end=2, convert_to_iter_based=True),
    dict(_base_.fall, begin=2)]
