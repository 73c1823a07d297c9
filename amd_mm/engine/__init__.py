"""What a run does: runner, loop, hooks, strategy."""
from amd_mm.engine.batch import (
    accumulative_counts,
    batches_an_update,
    count_accumulation,
    settle_accumulation,
)
from amd_mm.engine.evaluation import LenientTestLoop, LenientValLoop
from amd_mm.engine.held_out import HeldOutLoss, settle_held_out
from amd_mm.engine.hooks import (
    BadSampleHook,
    CollectiveLimitHook,
    CompleteCheckpointHook,
    ConsoleHook,
    EffectiveBatchHook,
    EqualWeightsHook,
    InterimCheckpointHook,
    LabelRangeHook,
    NonFiniteLossHook,
    RatesHook,
    ReconstructionHook,
    ReportHook,
    ResumeHook,
    SlowRankHook,
    ThroughputHook,
    TimelyLoggerHook,
    WholeCheckpointHook,
    WorkDirLockHook,
)
from amd_mm.engine.layer_decay import LayerDecayConstructor
from amd_mm.engine.loops import EpochTrainLoop
from amd_mm.engine.machine import fit_to_machine
from amd_mm.engine.preflight import check_packages, check_places
from amd_mm.engine.resuming import newest_whole, prepare_start
from amd_mm.engine.runner import ClassesFromDataRunner, build_runner, build_training_runner
from amd_mm.engine.strategies import ShardingStrategy
from amd_mm.engine.training import train
from amd_mm.engine.work_dir_lock import WorkDirLock

__all__ = [
    'BadSampleHook',
    'ClassesFromDataRunner',
    'CollectiveLimitHook',
    'CompleteCheckpointHook',
    'ConsoleHook',
    'EffectiveBatchHook',
    'EpochTrainLoop',
    'EqualWeightsHook',
    'HeldOutLoss',
    'InterimCheckpointHook',
    'LabelRangeHook',
    'LayerDecayConstructor',
    'LenientTestLoop',
    'LenientValLoop',
    'NonFiniteLossHook',
    'RatesHook',
    'ReconstructionHook',
    'ReportHook',
    'ResumeHook',
    'ShardingStrategy',
    'SlowRankHook',
    'ThroughputHook',
    'TimelyLoggerHook',
    'WholeCheckpointHook',
    'WorkDirLock',
    'WorkDirLockHook',
    'accumulative_counts',
    'batches_an_update',
    'build_runner',
    'build_training_runner',
    'check_packages',
    'check_places',
    'count_accumulation',
    'fit_to_machine',
    'newest_whole',
    'prepare_start',
    'settle_accumulation',
    'settle_held_out',
    'train',
]
