import torch
from mmengine.registry import FUNCTIONS
from mmengine.structures import BaseDataElement

from amd_mm.datasets import collate_repeats


def packed(value):
    return dict(
        inputs=torch.full((2, ), value, dtype=torch.uint8),
        data_samples=BaseDataElement(metainfo=dict(sample_key=2**62 + value)))


def test_repeats_are_neighbours_and_nothing_is_cast():
    batch = collate_repeats([[packed(0), packed(1)], [packed(2), packed(3)]])
    assert [int(x[0]) for x in batch['inputs']] == [0, 1, 2, 3]
    assert all(x.dtype == torch.uint8 for x in batch['inputs'])
    assert [s.sample_key for s in batch['data_samples']] == [2**62 + n for n in range(4)]


def test_config_finds_it_by_its_path():
    assert FUNCTIONS.get('amd_mm.datasets.collate_repeats') is collate_repeats
