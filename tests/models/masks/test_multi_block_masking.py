import pytest
import torch

from amd_mm.models.masks import AsymmetricMaskGenerator, MaskDraw, MultiBlockMasking
from amd_mm.tokens import TokenGrid

SMALL = TokenGrid((4, 4), (8, 8))
CLIP = TokenGrid((8, 14, 14), (2, 16, 16))
SHORT = dict(num_blocks=8, area=.15, aspect=(.75, 1.5))
LONG = dict(num_blocks=2, area=.7, aspect=(.75, 1.5))


def test_one_block_of_a_quarter_is_what_is_masked():
    strategy = dict(type='amd_mm.MultiBlockMasking', num_blocks=1, area=.25, aspect=(1, 1))
    mask = AsymmetricMaskGenerator(SMALL, strategy, student_ratio=.25)(torch.arange(4500))
    squares = {tuple(4 * (top + row) + left + column for row in (0, 1) for column in (0, 1))
               for top in range(3) for left in range(3)}
    found = [tuple(ids) for ids in mask.masked.tolist()]
    assert set(found) == squares
    assert all(abs(found.count(square) - 500) < 4 * 500**.5 for square in squares)


def test_sizes_are_those_of_v_jepa():
    shapes = {tuple(shape) for shape in MultiBlockMasking(CLIP, **SHORT).shapes.tolist()}
    # 29 places; the ratio of rows to columns from 3 : 4 to 3 : 2
    assert shapes == {(5, 6), (5, 5), (6, 5), (6, 4), (7, 4)}
    shapes = MultiBlockMasking(CLIP, **LONG).shapes
    assert shapes[0].tolist() == [10, 14] and shapes[-1].tolist() == [14, 10]


@pytest.mark.parametrize('settings, share', [(SHORT, .63), (LONG, .84)])
def test_what_the_page_says_of_coverage(settings, share):
    scores = MultiBlockMasking(CLIP, **settings).scores(MaskDraw(torch.arange(4000), 0))
    assert (scores > 0).float().mean().item() == pytest.approx(share, abs=.005)


@pytest.mark.parametrize('settings', [SHORT, LONG])
def test_all_that_is_covered_is_masked_if_it_is_not_too_much(settings):
    strategy = MultiBlockMasking(CLIP, **settings)
    keys = torch.arange(300)
    covered = strategy.scores(MaskDraw(keys, 0)) > 0
    mask = AsymmetricMaskGenerator(
        CLIP, dict(type='amd_mm.MultiBlockMasking', **settings), student_ratio=.9)(keys)
    frames = torch.zeros(300, CLIP.num_tokens, dtype=torch.bool).scatter(
        1, mask.masked, True).view(300, 8, 196)
    assert torch.equal(frames, frames[:, :1].expand(-1, 8, -1))
    hidden, fits = frames[:, 0], covered.sum(1) <= 176
    assert fits.any()
    assert (hidden | ~covered)[fits].all()  # covered, so masked
    assert (covered | ~hidden)[~fits].all()  # masked, so covered
    assert (hidden.sum(1) == 176).all()


def test_the_more_blocks_the_more_is_covered():
    keys = torch.arange(1000)
    shares = [(MultiBlockMasking(CLIP, number, .15, (.75, 1.5)).scores(MaskDraw(keys, 0)) > 0)
              .float().mean().item() for number in (1, 2, 8)]
    assert .12 < shares[0] < .16 and 1.6 * shares[0] < shares[1] < 2 * shares[0]
    assert 3.5 * shares[0] < shares[2] < 8 * shares[0]


def test_ratios_out_of_order_are_refused():
    with pytest.raises(ValueError, match=r'\(smallest, largest\), got \(1.5, 0.75\)'):
        MultiBlockMasking(CLIP, 8, .15, (1.5, .75))
