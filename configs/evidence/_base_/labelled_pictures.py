# Classification of the pictures, from whichever encoder; which list: train, test.
_base_ = './pictures.py'

held_out = [dict(type='amd_mm.LoadPicture'), dict(type='mmpretrain.PackInputs')]
model = dict(
    type='mmpretrain.ImageClassifier',
    data_preprocessor=dict(
        type='mmpretrain.ClsDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True),
    # A norm behind the mean alone, as is usual: a student that learns of features and not of
    # pixels has none behind its last block.
    backbone=dict(
        out_type='avg_featmap', final_norm=False,
        init_cfg=dict(type='Pretrained', prefix='backbone.'), **_base_.student_vit))
train_dataloader = dict(
    dataset=dict(
        type='amd_mm.KeyedDataset',
        num_repeats=1,
        dataset=dict(
            ann_file='train_10_percent.txt', pipeline=[dict(type='amd_mm.LoadPicture')],
            **_base_.pictures),
        pipeline=_base_.crop))
test_dataloader = dict(
    batch_size=250,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(ann_file='test.txt', test_mode=True, pipeline=held_out, **_base_.pictures))
test_evaluator = dict(type='mmpretrain.Accuracy', topk=(1, ))
test_cfg = dict()
