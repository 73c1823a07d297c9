"""Data sets, their sample keys and the batches made of them."""
from amd_mm.datasets.ava_dataset import AVADataset
from amd_mm.datasets.collate import collate_lists, collate_repeats
from amd_mm.datasets.keyed_dataset import KeyedDataset
from amd_mm.datasets.picture_dataset import PictureDataset
from amd_mm.datasets.rawframe_dataset import RawframeDataset
from amd_mm.datasets.samplers import EpochSampler
from amd_mm.datasets.video_dataset import VideoDataset

__all__ = [
    'AVADataset', 'EpochSampler', 'KeyedDataset', 'PictureDataset', 'RawframeDataset',
    'VideoDataset', 'collate_lists', 'collate_repeats'
]
