# AMD (Zhao et al., arXiv 2311.03149) with a teacher that its authors did not try: DINOv3, by Meta
# AI, arXiv 2508.10104. That targets are layer-normalised is ours.
_base_ = ['../_base_/models/amd_image.py', './_base_/teachers.py', './_base_/on_imagenet.py']

model = dict(
    teacher=dict(_delete_=True, taps=(12, 24), **_base_.dinov3_large),
    neck=dict(direct=dict(normalize='layer_norm'), generation=dict(normalize='layer_norm')),
    **_base_.vit_small)
