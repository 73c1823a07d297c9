# Nearest neighbours on one's own videos: lists and class names as for fine-tuning
# (configs/finetune/_base_/own_videos.py). A video is one clip, from its middle.
# python tools/test.py CONFIG STUDENT.pth
_base_ = ['../../finetune/_base_/own_videos.py', './neighbours.py']

preprocessor = dict(_base_.model.data_preprocessor, blending=None)
encoder = dict(
    type='amd_mm.VideoVisionTransformer',
    img_size=224, patch_size=16, num_frames=16, tubelet_size=2,
    use_mean_pooling=False, return_feat_map=True)
middle_clips = dict(
    _base_.val_videos, pipeline=_base_.val_dataloader.dataset.pipeline, **_base_.train_list)
model = dict(
    _delete_=True,
    backbone=encoder,
    gallery=dict(_base_.gallery_loader, batch_size=16, dataset=middle_clips),
    data_preprocessor=preprocessor,
    **_base_.neighbours)
test_dataloader = _base_.val_dataloader
