# UCF101, split 1, lists and folders as mmaction2 prepares them. Sampling as on Kinetics-400; the
# schedule is the one of VideoMAE's released script for UCF101, for a student of Kinetics-400.
_base_ = './kinetics400.py'

num_classes = 101
model = _base_.model
model.cls_head.num_classes = num_classes
model.data_preprocessor.blending.augments[0].num_classes = num_classes
model.data_preprocessor.blending.augments[1].num_classes = num_classes
model.cls_head.dropout_ratio = 0.5
model.backbone.drop_path_rate = 0.2

train_list = dict(
    ann_file='data/ucf101/ucf101_train_split_1_videos.txt',
    data_prefix=dict(video='data/ucf101/videos'),
    num_classes=num_classes)
val_list = dict(train_list, ann_file='data/ucf101/ucf101_val_split_1_videos.txt')
train_dataloader = dict(dataset=dict(dataset=train_list))
val_dataloader = dict(dataset=val_list)
test_dataloader = dict(dataset=val_list)

# Rates are given per 256 videos.
optim_wrapper = dict(
    optimizer=dict(lr=5e-4 * 128 / 256), paramwise_cfg=dict(decay_rate=0.7))
auto_scale_lr = dict(base_batch_size=128, enable=False)
train_cfg = dict(max_epochs=100)
param_scheduler = _base_.param_scheduler
param_scheduler[0].start_factor = 1e-8 / 5e-4
param_scheduler[1].eta_min_ratio = 1e-5 / 5e-4
param_scheduler[1].end = 100
