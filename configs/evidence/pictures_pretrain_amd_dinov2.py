# AMD with a DINOv2 ViT-S/14 (tools/data/dinov2_from_wheel.py), which sees pictures of 112 x 112.
_base_ = './_base_/align_pictures.py'

model = dict(
    teacher=dict(
        type='amd_mm.TimmTeacher', architecture='vit_small_patch14_dinov2', taps=(4, 8),
        checkpoint='data/dinov2_vits14.safetensors'))
