# One's own videos, sampled as Kinetics-400. The number of classes is that of classes.txt.
_base_ = './kinetics400.py'

runner_type = 'amd_mm.ClassesFromDataRunner'
num_classes = None
model = dict(
    cls_head=dict(num_classes=num_classes),
    data_preprocessor=dict(blending=dict(augments=[
        dict(_base_.mixup, num_classes=num_classes),
        dict(_base_.cutmix, num_classes=num_classes),
    ])))

train_list = dict(
    ann_file='data/own_videos/train.txt',
    data_prefix=dict(video='data/own_videos/videos'),
    metainfo=dict(classes='data/own_videos/classes.txt'),
    num_classes=None)
val_list = dict(train_list, ann_file='data/own_videos/val.txt')
train_dataloader = dict(batch_size=8, dataset=dict(dataset=train_list))
val_dataloader = dict(dataset=val_list)
test_dataloader = dict(dataset=val_list)
test_evaluator = [dict(type='mmaction.AccMetric'), dict(type='mmaction.ConfusionMatrix')]
