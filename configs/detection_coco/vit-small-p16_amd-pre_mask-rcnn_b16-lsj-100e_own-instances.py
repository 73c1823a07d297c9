# One's own boxes and masks: data/own_boxes/{train,val} and annotations/{train,val}.json in COCO's
# format, whose categories are the classes. Schedule and rate are ours.
_base_ = './vit-small-p16_amd-pre_mask-rcnn_b64-lsj-100e_coco.py'

runner_type = 'amd_mm.ClassesFromDataRunner'
model = dict(roi_head=dict(bbox_head=dict(num_classes=None), mask_head=dict(num_classes=None)))

data_root = 'data/own_boxes'
train, val = (dict(data_root=data_root, ann_file=f'annotations/{part}.json',
                   data_prefix=dict(img=part)) for part in ('train', 'val'))
train_dataloader = dict(dataset=dict(dataset=train))
val_dataloader = test_dataloader = dict(dataset=val)
val_evaluator = test_evaluator = dict(ann_file=f'{data_root}/annotations/val.json')

global_batch_size = 16
optim_wrapper = dict(optimizer=dict(lr=4e-4 * global_batch_size / 256))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
