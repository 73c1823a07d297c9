# Pre-training on Kinetics-400, lists and folders as mmaction2 prepares them.
_base_ = './own_videos.py'
train_dataloader = dict(dataset=dict(dataset=dict(
    ann_file='data/kinetics400/kinetics400_train_list_videos.txt',
    data_prefix=dict(video='data/kinetics400/videos_train'))))
