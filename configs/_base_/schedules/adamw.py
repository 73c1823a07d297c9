# What every pre-training shares. No weight decay on 1-D tensors: biases, also those of queries and
# values, and norms.
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    # bfloat16 needs no scaling of the loss, and MMEngine would scale it.
    loss_scale=dict(enabled=False),
    optimizer=dict(type='AdamW', betas=(0.9, 0.95), weight_decay=0.05, fused=True),
    paramwise_cfg=dict(flat_decay_mult=0.))
# A recipe's last phase ends with its training: MMEngine fills `end` in from max_epochs.
