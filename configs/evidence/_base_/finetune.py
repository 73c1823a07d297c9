# Fine-tuning on the labelled clips: 10 classes, which digit moves.
_base_ = '../../quickstart/_base_/finetune.py'

# Clips of 28 x 28 pixels, 4 x 4 x 4 tokens.
clip = dict(img_size=28, patch_size=7)
student_vit = teacher_vit = clip
model = dict(
    cls_head=dict(
        num_classes=10,
        label_smooth_eps=0.1))
train_dataloader = dict(
    batch_size=64,
    dataset=dict(
        dataset=dict(
            data_root='data/which_digit_moves',
            pipeline=[
                dict(type='amd_mm.CachedPyAVInit', memory_gib=1),
                dict(type='mmaction.SampleFrames', clip_len=8, frame_interval=1),
                dict(type='amd_mm.PyAVDecode'),
            ]),
        pipeline=[
            dict(type='mmaction.FormatShape', input_format='NCTHW'),
            dict(type='mmaction.PackActionInputs'),
        ]))
test_dataloader = dict(
    dataset=dict(
        data_root='data/which_digit_moves',
        pipeline=[
            dict(type='amd_mm.PyAVInit'),
            dict(type='mmaction.SampleFrames', clip_len=8, frame_interval=1, test_mode=True),
            dict(type='amd_mm.PyAVDecode'),
            dict(type='mmaction.FormatShape', input_format='NCTHW'),
            dict(type='mmaction.PackActionInputs'),
        ]))
global_batch_size = 64
auto_scale_lr = dict(base_batch_size=global_batch_size)
train_cfg = dict(max_epochs=20)
optim_wrapper = dict(optimizer=dict(lr=0.004 * global_batch_size / 256))
