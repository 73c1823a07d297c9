import torch

from amd_mm.models.masks import AsymmetricMaskGenerator, MaskDraw, TubeMasking
from amd_mm.tokens import TokenGrid

GRID = TokenGrid((2, 3, 4), (2, 8, 8))
KEYS = torch.tensor([3, 5])


def test_places_of_a_frame_have_scores_of_their_own():
    strategy = TubeMasking(GRID)
    scores = strategy.scores(MaskDraw(KEYS, 2))
    assert strategy.length == 12 and scores.shape == (2, 12)
    assert len(set(scores.flatten().tolist())) == 24


def test_a_decoder_is_spared_whole_tubes():
    mask = AsymmetricMaskGenerator(
        GRID, 'random', student_visible=1, decoder_ratio=.5, decoder_strategy='tube')(KEYS)
    for predicted in mask.predicted.tolist():
        whole = {token % 12 for token in predicted if (token + 12) % 24 in predicted}
        # 12 of 23: one tube has lost a token to the student or is cut.
        assert len(predicted) == 12 and len(whole) >= 5
