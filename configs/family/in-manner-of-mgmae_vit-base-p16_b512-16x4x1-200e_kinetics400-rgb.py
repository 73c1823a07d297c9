# In the manner of MGMAE, published by Huang et al., arXiv 2308.10794, with code. There optical flow
# of a network carries the middle frame's mask on, here shifts of blocks of pixels.
_base_ = ['../_base_/models/videomae.py', './_base_/on_kinetics400.py']

model = dict(
    mask_generator=dict(
        strategy=dict(_delete_=True, type='amd_mm.MotionMasking', reach=16)),
    **_base_.vit_base)
