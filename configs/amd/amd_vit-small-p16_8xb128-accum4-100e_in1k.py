# 8 GPUs x 128 images x 4 accumulated: an update sees what it sees on 32 GPUs.
_base_ = './amd_vit-small-p16_32xb128-100e_in1k.py'

optim_wrapper = dict(accumulative_counts=4)
