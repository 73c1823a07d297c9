# One's own boxes without masks; otherwise as own-instances.
_base_ = './vit-small-p16_amd-pre_mask-rcnn_b16-lsj-100e_own-instances.py'

# mmdet's Mask R-CNN without its masks is Faster R-CNN.
model = dict(type='mmdet.FasterRCNN', roi_head=dict(mask_roi_extractor=None, mask_head=None))
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=_base_.box_pipeline)))
val_evaluator = test_evaluator = dict(metric='bbox')
