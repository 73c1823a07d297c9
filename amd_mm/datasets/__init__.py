"""Data sets, their sample keys and the batches made of them."""
from amd_mm.datasets.ava_dataset import AVADataset
from amd_mm.datasets.collate import collate_lists, collate_repeats
from amd_mm.datasets.keyed_dataset import KeyedDataset
from amd_mm.datasets.mask_check import MaskCounts, check_masks
from amd_mm.datasets.mask_dataset import MaskDataset
from amd_mm.datasets.picture_dataset import PictureDataset
from amd_mm.datasets.rawframe_dataset import RawframeDataset
from amd_mm.datasets.samplers import EpochSampler
from amd_mm.datasets.video_dataset import VideoDataset

__all__ = [
    'AVADataset', 'EpochSampler', 'KeyedDataset', 'MaskCounts', 'MaskDataset', 'PictureDataset',
    'RawframeDataset', 'VideoDataset', 'check_masks', 'collate_lists', 'collate_repeats'
]
