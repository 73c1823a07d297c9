import pytest
import torch

from amd_mm.keys import hash_positions
from amd_mm.models.masks import AsymmetricMaskGenerator, MaskDraw, RunningCellMasking
from amd_mm.tokens import TokenGrid

CLIP = TokenGrid((5, 2, 4), (2, 8, 8))
VIDEOMAE = TokenGrid((8, 14, 14), (2, 16, 16))


def test_the_cell_moves_on_by_a_place_in_every_frame():
    keys = torch.arange(9)
    scores = RunningCellMasking(CLIP).scores(MaskDraw(keys, 4))
    begin = hash_positions(keys, 1)[:, 0] % 4
    assert len(set(begin.tolist())) > 2
    first = int((begin == 0).nonzero()[0])
    assert scores[first].view(5, 2, 4).tolist() == [
        [[0, 1, 0, 1], [2, 3, 2, 3]],
        [[1, 2, 1, 2], [3, 0, 3, 0]],
        [[2, 3, 2, 3], [0, 1, 0, 1]],
        [[3, 0, 3, 0], [1, 2, 1, 2]],
        [[0, 1, 0, 1], [2, 3, 2, 3]]]
    for row, start in zip(scores, begin, strict=True):
        assert torch.equal(row, (scores[first] + start) % 4)


def test_of_every_tube_half_is_predicted_and_at_every_place_of_a_cell():
    """VideoMAE V2: encoder tubes of 90 %, decoder 50 %."""
    mask = AsymmetricMaskGenerator(
        VIDEOMAE, 'tube', .9, decoder_ratio=.5,
        decoder_strategy=dict(type='amd_mm.RunningCellMasking'))(torch.arange(20))
    assert mask.masked.shape == (20, 1408) and mask.predicted.shape == (20, 704)
    for predicted, masked in zip(mask.predicted, mask.masked, strict=True):
        assert set(predicted.tolist()) <= set(masked.tolist())
        tubes = torch.bincount(predicted % 196, minlength=196)
        assert set(tubes.tolist()) == {0, 4} and (tubes > 0).sum() == 176
    # the pattern, wherever something is masked
    scores = RunningCellMasking(VIDEOMAE).scores(MaskDraw(~torch.arange(20), 784))
    assert (scores.gather(1, mask.predicted) >= 2).all()


def test_what_the_student_sees_stays():
    settings = dict(student_ratio=.9, teacher_ratio=.75, decoder_ratio=.5)
    cell = dict(type='amd_mm.RunningCellMasking')
    mask = AsymmetricMaskGenerator(VIDEOMAE, 'tube', **settings, decoder_strategy=cell)
    other = AsymmetricMaskGenerator(VIDEOMAE, 'tube', **settings)
    ours, theirs = mask(torch.arange(3)), other(torch.arange(3))
    assert all(torch.equal(a, b) for a, b in zip(ours[:3], theirs[:3], strict=True))
    assert not torch.equal(ours.predicted, theirs.predicted)


def test_pictures_are_refused():
    with pytest.raises(ValueError, match='needs clips, got pictures of .*decoder_strategy='):
        RunningCellMasking(TokenGrid((14, 14), (16, 16)))
