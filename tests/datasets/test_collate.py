import pytest
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
    assert batch['inputs'].dtype == torch.uint8
    assert batch['inputs'].tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]
    assert [s.sample_key for s in batch['data_samples']] == [2**62 + n for n in range(4)]


def test_channels_stay_where_they_are_in_memory():
    pictures = [torch.randint(256, (2, 5, 7, 3), dtype=torch.uint8) for _ in range(4)]
    clips = [picture.permute(3, 0, 1, 2)[None] for picture in pictures]  # (1, C, T, H, W)
    inputs = collate_repeats([[dict(packed(0), inputs=clip)] for clip in clips])['inputs']
    assert torch.equal(inputs, torch.stack(clips))
    assert inputs[:, 0].permute(0, 2, 3, 4, 1).is_contiguous()


def test_views_are_stacked_one_by_one():
    views = [[torch.full((3, 2, 2), 10 * n + v) for v in range(2)] for n in range(3)]
    inputs = collate_repeats([[dict(packed(n), inputs=views[n])] for n in range(3)])['inputs']
    assert [view.shape for view in inputs] == [(3, 3, 2, 2)] * 2
    assert [view[:, 0, 0, 0].tolist() for view in inputs] == [[0, 10, 20], [1, 11, 21]]


def test_sizes_that_differ_are_refused():
    other = dict(packed(1), inputs=torch.zeros(3))
    with pytest.raises(ValueError, match=r'one shape, got \(2,\) and \(3,\); let the pipeline'):
        collate_repeats([[packed(0)], [other]])


def test_config_finds_it_by_its_path():
    assert FUNCTIONS.get('amd_mm.datasets.collate_repeats') is collate_repeats
