# VideoMAE makes the teacher: in as many epochs as the students', with more to see, as it will have
# in AMD.
_base_ = './_base_/pretrain.py'

model = dict(backbone=_base_.teacher_vit, mask_generator=dict(student_ratio=0.5))
optim_wrapper = dict(optimizer=dict(lr=0.048 * _base_.global_batch_size / 256))
