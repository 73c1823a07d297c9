# Nearest neighbours among the labelled pictures: nothing is trained.
# tools/test.py CONFIG STUDENT.pth
_base_ = './_base_/labelled_pictures.py'

train_dataloader = train_cfg = param_scheduler = None
model = dict(
    _delete_=True,
    type='amd_mm.NearestNeighbours',
    data_preprocessor=_base_.model.data_preprocessor,
    backbone=dict(out_type='featmap', final_norm=False, **_base_.student_vit),
    gallery=dict(
        batch_size=250,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(_base_.test_dataloader.dataset, ann_file='train_10_percent.txt')))
