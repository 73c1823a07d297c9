# 1 GPU x 16 videos x 32 accumulated: an update sees what it sees on 32 GPUs.
_base_ = './amd_vit-small-p16_32xb16-16x4x1-200e_kinetics400-rgb.py'

optim_wrapper = dict(accumulative_counts=32)
# Activations of the encoder are computed twice instead of kept.
model = dict(backbone=dict(with_cp=True))
