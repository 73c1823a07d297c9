# Pre-training on all clips of the task "which digit moves", without their labels.
# tools/data/moving_digits.py --task mover; every decoded clip gives 2 samples with their own masks.
_base_ = '../../quickstart/_base_/pretrain.py'

# Clips of 28 x 28 pixels, 4 x 4 x 4 tokens.
clip = dict(img_size=28, patch_size=7)
student_vit = teacher_vit = clip
model = dict(decoder=dict(depth=2))
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        num_repeats=2,
        dataset=dict(
            data_root='data/which_digit_moves',
            pipeline=[
                dict(type='amd_mm.CachedPyAVInit', memory_gib=1),
                dict(type='mmaction.SampleFrames', clip_len=8, frame_interval=1),
                dict(type='amd_mm.PyAVDecode'),
            ]),
        # Pixels are few: a crop would take a digit away.
        pipeline=[
            dict(type='mmaction.FormatShape', input_format='NCTHW'),
            dict(type='mmaction.PackActionInputs'),
        ]))
global_batch_size = 32
auto_scale_lr = dict(base_batch_size=global_batch_size)
train_cfg = dict(max_epochs=10)
optim_wrapper = dict(optimizer=dict(lr=0.016 * global_batch_size / 256))
