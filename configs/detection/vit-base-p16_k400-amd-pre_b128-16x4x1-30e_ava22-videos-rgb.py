# Reads videos instead of extracted frames.
_base_ = './vit-base-p16_k400-amd-pre_b128-16x4x1-30e_ava22-rgb.py'

train_dataloader = _base_.train_videos
val_dataloader = _base_.val_videos
test_dataloader = val_dataloader
