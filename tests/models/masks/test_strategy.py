import pytest
import torch

from amd_mm.keys import hash_positions
from amd_mm.models.masks import MaskStrategy
from amd_mm.models.masks.strategy import sort_places
from amd_mm.tokens import TokenGrid

KEYS = torch.tensor([3, 5])


def test_lower_scores_come_first_and_equal_ones_as_the_key_says():
    scores = torch.tensor([[2., 1, 2, 1, 0], [0, 0, 0, 0, -1]])
    order = sort_places(scores, KEYS)
    luck = hash_positions(KEYS, 5).tolist()
    expected = [sorted(range(5), key=lambda place: (scores[row, place].item(), luck[row][place]))
                for row in range(2)]
    assert order.tolist() == expected


def test_frames_are_sorted_apart():
    scores = torch.zeros(2, 3, 4)
    order = sort_places(scores, KEYS)
    assert order.sort().values.tolist() == [[[0, 1, 2, 3]] * 3] * 2
    assert len(set(map(tuple, order.flatten(0, 1).tolist()))) > 3


def test_a_strategy_says_how_it_scores():
    with pytest.raises(TypeError, match='scores'):
        MaskStrategy(TokenGrid((2, 2), (4, 4)))
