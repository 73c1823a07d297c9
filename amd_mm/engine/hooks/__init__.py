"""What happens around the updates of a run."""
from amd_mm.engine.hooks.bad_sample_hook import BadSampleHook
from amd_mm.engine.hooks.collective_limit_hook import CollectiveLimitHook
from amd_mm.engine.hooks.complete_checkpoint_hook import CompleteCheckpointHook
from amd_mm.engine.hooks.console_hook import ConsoleHook
from amd_mm.engine.hooks.effective_batch_hook import EffectiveBatchHook
from amd_mm.engine.hooks.equal_weights_hook import EqualWeightsHook
from amd_mm.engine.hooks.interim_checkpoint_hook import InterimCheckpointHook
from amd_mm.engine.hooks.label_range_hook import LabelRangeHook
from amd_mm.engine.hooks.non_finite_loss_hook import NonFiniteLossHook
from amd_mm.engine.hooks.rates_hook import RatesHook
from amd_mm.engine.hooks.reconstruction_hook import ReconstructionHook
from amd_mm.engine.hooks.report_hook import ReportHook
from amd_mm.engine.hooks.resume_hook import ResumeHook
from amd_mm.engine.hooks.slow_rank_hook import SlowRankHook
from amd_mm.engine.hooks.throughput_hook import ThroughputHook
from amd_mm.engine.hooks.timely_logger_hook import TimelyLoggerHook
from amd_mm.engine.hooks.whole_checkpoint_hook import WholeCheckpointHook
from amd_mm.engine.hooks.work_dir_lock_hook import WorkDirLockHook

__all__ = [
    'BadSampleHook', 'CollectiveLimitHook', 'CompleteCheckpointHook', 'ConsoleHook',
    'EffectiveBatchHook', 'EqualWeightsHook', 'InterimCheckpointHook', 'LabelRangeHook',
    'NonFiniteLossHook', 'RatesHook', 'ReconstructionHook', 'ReportHook', 'ResumeHook',
    'SlowRankHook', 'ThroughputHook', 'TimelyLoggerHook', 'WholeCheckpointHook',
    'WorkDirLockHook'
]
