"""Transforms that no host has, or not exactly."""
from amd_mm.datasets.transforms.caching import CachedPyAVInit
from amd_mm.datasets.transforms.clip_augment import ClipHSVJitter, ClipRandAugment
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
from amd_mm.datasets.transforms.pictures import LoadPicture
from amd_mm.datasets.transforms.sampling import (
    SampleEvenFrames,
    SampleKeyFrameClip,
    SampleSegmentClips,
    SampleSegmentFrames,
    SampleStridedClips,
    SampleStridedFrames,
)

__all__ = [
    'CachedPyAVInit', 'ClipHSVJitter', 'ClipRandAugment', 'DecordDecode', 'DecordInit',
    'LoadPicture', 'MultiScaleCrop', 'OpenCVDecode', 'OpenCVInit', 'PyAVDecode', 'PyAVInit',
    'RawFrameDecode', 'ResizeClip', 'SampleEvenFrames', 'SampleKeyFrameClip',
    'SampleSegmentClips', 'SampleSegmentFrames', 'SampleStridedClips', 'SampleStridedFrames'
]
