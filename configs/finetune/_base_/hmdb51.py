# HMDB51, split 1, lists and folders as mmaction2 prepares them. No schedule was released for it:
# this is UCF101's.
_base_ = './ucf101.py'

num_classes = 51
model = dict(
    cls_head=dict(num_classes=num_classes),
    data_preprocessor=dict(blending=dict(augments=[
        dict(_base_.mixup, num_classes=num_classes),
        dict(_base_.cutmix, num_classes=num_classes),
    ])))

train_list = dict(
    ann_file='data/hmdb51/hmdb51_train_split_1_videos.txt',
    data_prefix=dict(video='data/hmdb51/videos'),
    num_classes=num_classes)
val_list = dict(train_list, ann_file='data/hmdb51/hmdb51_val_split_1_videos.txt')
train_dataloader = dict(dataset=dict(dataset=train_list))
val_dataloader = dict(dataset=val_list)
test_dataloader = dict(dataset=val_list)
