# 8 GPUs x 16 videos x 4 accumulated: an update sees what it sees on 32 GPUs.
_base_ = './amd_vit-small-p16_32xb16-16x4x1-200e_kinetics400-rgb.py'

optim_wrapper = dict(accumulative_counts=4)
