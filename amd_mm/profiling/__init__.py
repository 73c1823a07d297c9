"""What a step costs: operations, memory, time of its parts."""
from amd_mm.profiling.flops import count_flops, matrix_rate, synchronise
from amd_mm.profiling.memory import module_bytes, step_memory
from amd_mm.profiling.parts import Parts
from amd_mm.profiling.trial import (
    detection_losses,
    segmentation_losses,
    trial_detector,
    trial_inputs,
    trial_model,
    trial_segmentor,
)

__all__ = [
    'Parts', 'count_flops', 'detection_losses', 'matrix_rate', 'module_bytes',
    'segmentation_losses', 'step_memory', 'synchronise', 'trial_detector', 'trial_inputs',
    'trial_model', 'trial_segmentor'
]
