# 10 of 196 patches visible: about 95 % masked.
_base_ = './dmae_vit-base-p16_b4096-100e_in1k.py'

model = dict(mask_generator=dict(student_ratio=None, student_visible=10))
