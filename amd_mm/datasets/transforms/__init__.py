"""Transforms that no host has, or not exactly."""
from amd_mm.datasets.transforms.clip_augment import ClipRandAugment
from amd_mm.datasets.transforms.cropping import MultiScaleCrop, ResizeClip
from amd_mm.datasets.transforms.decoding import (
    DecordDecode,
    DecordInit,
    OpenCVDecode,
    OpenCVInit,
    PyAVDecode,
    PyAVInit,
    RawFrameDecode,
)
from amd_mm.datasets.transforms.sampling import (
    SampleEvenFrames,
    SampleSegmentClips,
    SampleSegmentFrames,
    SampleStridedClips,
    SampleStridedFrames,
)

__all__ = [
    'ClipRandAugment', 'DecordDecode', 'DecordInit', 'MultiScaleCrop', 'OpenCVDecode', 'OpenCVInit',
    'PyAVDecode', 'PyAVInit', 'RawFrameDecode', 'ResizeClip', 'SampleEvenFrames',
    'SampleSegmentClips', 'SampleSegmentFrames', 'SampleStridedClips', 'SampleStridedFrames'
]
