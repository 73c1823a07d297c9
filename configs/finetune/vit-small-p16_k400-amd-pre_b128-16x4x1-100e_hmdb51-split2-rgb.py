_base_ = './vit-small-p16_k400-amd-pre_b128-16x4x1-100e_hmdb51-split1-rgb.py'

val_list = 'data/hmdb51/hmdb51_val_split_2_videos.txt'
train_dataloader = dict(
    dataset=dict(dataset=dict(ann_file='data/hmdb51/hmdb51_train_split_2_videos.txt')))
val_dataloader = dict(dataset=dict(ann_file=val_list))
test_dataloader = dict(dataset=dict(ann_file=val_list))
