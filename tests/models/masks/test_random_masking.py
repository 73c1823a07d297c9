import torch

from amd_mm.models.masks import MaskDraw, RandomMasking
from amd_mm.tokens import TokenGrid


def test_all_tokens_are_equal():
    strategy = RandomMasking(TokenGrid((2, 3, 4), (2, 8, 8)))
    scores = strategy.scores(MaskDraw(torch.tensor([3, 5]), 2))
    assert strategy.length == 24 and torch.equal(scores, torch.zeros(2, 24, dtype=torch.int64))
