# Nearest neighbours of either student: nothing is trained, the labelled clips vote.
# tools/test.py CONFIG STUDENT.pth
_base_ = './_base_/finetune.py'

model = dict(
    _delete_=True,
    type='amd_mm.NearestNeighbours',
    data_preprocessor=_base_.model.data_preprocessor,
    # The norm of pre-training, over all tokens; the mean is taken after it.
    backbone=dict(
        type='amd_mm.VideoVisionTransformer', use_mean_pooling=False, return_feat_map=True,
        **_base_.student_vit),
    gallery=dict(
        batch_size=100,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(_base_.test_dataloader.dataset, ann_file='train.txt')))
