# No default scope: a type without a prefix is MMEngine's own, or, inside a host's module, that
# host's. Configs write mmpretrain., mmaction. and amd_mm. before all others.
default_scope = None

default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    # A line at least every 30 seconds, however slow the machine.
    logger=dict(type='amd_mm.TimelyLoggerHook', interval=20),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # Or by_epoch=False, interval=N updates.
    checkpoint=dict(type='amd_mm.WholeCheckpointHook', interval=1, max_keep_ckpts=3),
    # Within an epoch too: when the run is told to stop, and by time.
    interim=dict(type='amd_mm.InterimCheckpointHook', minutes=30),
    sampler_seed=dict(type='DistSamplerSeedHook'))
custom_hooks = [
    dict(type='amd_mm.NonFiniteLossHook'),
    dict(type='amd_mm.WorkDirLockHook'),
    dict(type='amd_mm.EffectiveBatchHook'),
    dict(type='amd_mm.BadSampleHook'),
    dict(type='amd_mm.ThroughputHook'),
    dict(type='amd_mm.ReportHook'),
]

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))

# Others besides, 'tensorboard', 'wandb' or 'mlflow': --cfg-options loggers=tensorboard
loggers = []
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
log_processor = dict(by_epoch=True)
log_level = 'INFO'

# Fixed, because a resumed run has to draw the order of the data that the first one drew.
randomness = dict(seed=0)
find_unused_parameters = False
load_from = None
resume = False
