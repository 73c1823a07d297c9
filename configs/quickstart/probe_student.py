# Linear probe of either student: its encoder stays as it was pre-trained, only the head learns.
# --cfg-options model.backbone.init_cfg.checkpoint=FILE
_base_ = './finetune_student.py'

model = dict(backbone=dict(frozen=True))
train_cfg = dict(max_epochs=20)
optim_wrapper = dict(optimizer=dict(lr=0.08 * _base_.global_batch_size / 256))
