# UCF101, split 1, lists and folders as mmaction2 prepares them. Sampling as on Kinetics-400; the
# schedule is the one of VideoMAE's released script for UCF101, for a student of Kinetics-400.
_base_ = './kinetics400.py'

num_classes = 101
model = dict(
    cls_head=dict(num_classes=num_classes, dropout_ratio=0.5),
    backbone=dict(drop_path_rate=0.2),
    data_preprocessor=dict(blending=dict(augments=[
        dict(_base_.mixup, num_classes=num_classes),
        dict(_base_.cutmix, num_classes=num_classes),
    ])))

train_list = dict(
    ann_file='data/ucf101/ucf101_train_split_1_videos.txt',
    data_prefix=dict(video='data/ucf101/videos'),
    num_classes=num_classes)
val_list = dict(train_list, ann_file='data/ucf101/ucf101_val_split_1_videos.txt')
train_dataloader = dict(dataset=dict(dataset=train_list))
val_dataloader = dict(dataset=val_list)
test_dataloader = dict(dataset=val_list)

# Videos an update; rates are given per 256.
global_batch_size = 128
optim_wrapper = dict(
    optimizer=dict(lr=5e-4 * global_batch_size / 256), paramwise_cfg=dict(decay_rate=0.7))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(max_epochs=100)
param_scheduler = [_base_.warm_up, dict(_base_.cosine, eta_min_ratio=1e-5 / 5e-4)]
