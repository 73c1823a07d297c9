from amd_mm.engine.bad_sample_hook import BadSampleHook
from amd_mm.engine.batch import EffectiveBatchHook, accumulative_counts, count_accumulation
from amd_mm.engine.classes_runner import ClassesFromDataRunner
from amd_mm.engine.command_line import (
    build_runner,
    config_parser,
    leave_processes,
    read_config,
)
from amd_mm.engine.complete_checkpoint_hook import CompleteCheckpointHook
from amd_mm.engine.label_range_hook import LabelRangeHook
from amd_mm.engine.loops import EpochTrainLoop
from amd_mm.engine.non_finite_loss_hook import NonFiniteLossHook
from amd_mm.engine.precision import enable_amp
from amd_mm.engine.reconstruction_hook import ReconstructionHook
from amd_mm.engine.sharding_strategy import ShardingStrategy
from amd_mm.engine.throughput_hook import ThroughputHook

__all__ = [
    'BadSampleHook',
    'ClassesFromDataRunner',
    'CompleteCheckpointHook',
    'EffectiveBatchHook',
    'EpochTrainLoop',
    'LabelRangeHook',
    'NonFiniteLossHook',
    'ReconstructionHook',
    'ShardingStrategy',
    'ThroughputHook',
    'accumulative_counts',
    'build_runner',
    'config_parser',
    'count_accumulation',
    'enable_amp',
    'leave_processes',
    'read_config',
]
