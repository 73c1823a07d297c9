from itertools import permutations

import pytest
import torch

from amd_mm.models.masks import AsymmetricMaskGenerator, AttentionMasking, MaskDraw
from amd_mm.tokens import TokenGrid

ROW = TokenGrid((1, 4), (8, 8))
CLIP = TokenGrid((2, 1, 4), (2, 8, 8))
UMT = dict(type='amd_mm.AttentionMasking')
ATTENTION = torch.tensor([.5, .3, .15, .05])


def seen(grid: TokenGrid, attention: torch.Tensor, keys: int, visible: int) -> torch.Tensor:
    masks = AsymmetricMaskGenerator(grid, UMT, student_visible=visible)
    return masks(torch.arange(keys), attention=attention.expand(keys, -1)).visible


@pytest.mark.parametrize('scale', [1., .01])
def test_tokens_are_drawn_as_without_replacement(scale):
    """Two of four: p(first) p(second) / (1 - p(first)), in both orders."""
    found = [tuple(pair) for pair in seen(ROW, ATTENTION * scale, 40_000, 2).tolist()]
    expected: dict[tuple, float] = {}
    for first, second in permutations(range(4), 2):
        pair = tuple(sorted((first, second)))
        one, other = ATTENTION[first].item(), ATTENTION[second].item()
        expected[pair] = expected.get(pair, 0) + one * other / (1 - one)
    assert sum(expected.values()) == pytest.approx(1)
    for pair, share in expected.items():
        deviation = (share * (1 - share) / 40_000)**.5
        assert abs(found.count(pair) / 40_000 - share) < 4.5 * deviation, pair


def test_the_whole_order_is_such_a_draw():
    """Of tokens that are equal but for one, each comes first as often as its weight says."""
    grid = TokenGrid((5, 8), (8, 8))
    weights = torch.full((40, ), .02)
    weights[7] = .22
    first = seen(grid, weights, 30_000, 1)[:, 0]
    counts = torch.bincount(first, minlength=40) / 30_000
    assert abs(counts[7] - .22) < 4.5 * (.22 * .78 / 30_000)**.5
    others = counts[torch.arange(40) != 7]
    assert (others - .02).abs().max() < 4.5 * (.02 * .98 / 30_000)**.5


def test_every_frame_of_a_clip_shows_as_many_by_its_own_attention():
    attention = torch.cat([ATTENTION, ATTENTION.flip(0)])
    ids = seen(CLIP, attention, 4000, 1)
    assert (ids[:, 0] < 4).all() and (ids[:, 1] >= 4).all()
    for frame, expected in ((ids[:, 0], ATTENTION), (ids[:, 1] - 4, ATTENTION.flip(0))):
        shares = torch.bincount(frame, minlength=4) / 4000
        assert (shares - expected).abs().max() < 4.5 * (.25 / 4000)**.5
    together = (ids[:, 0] == 3 - (ids[:, 1] - 4)).float().mean().item()
    assert abs(together - ATTENTION.square().sum().item()) < 4.5 * (.25 / 4000)**.5


def test_what_gets_no_attention_comes_last():
    attention = torch.tensor([0., .4, .6, 0])
    assert seen(ROW, attention, 500, 2).tolist() == [[1, 2]] * 500


def test_noise_below_the_last_digit_changes_nothing_and_half_precision_is_taken():
    keys = torch.arange(100)
    strategy = AttentionMasking(ROW)
    scores = strategy.scores(MaskDraw(keys, 2, attention=ATTENTION.expand(100, -1)))
    noisy = (ATTENTION + 2.**-27).expand(100, -1)
    assert torch.equal(strategy.scores(MaskDraw(keys, 2, attention=noisy)), scores)
    exact = torch.tensor([.5, .25, .125, .125]).expand(100, -1)
    assert torch.equal(strategy.scores(MaskDraw(keys, 2, attention=exact.bfloat16())),
                       strategy.scores(MaskDraw(keys, 2, attention=exact)))


def test_a_network_in_half_precision_draws_the_same():
    masks = AsymmetricMaskGenerator(ROW, UMT, .5)
    keys, attention = torch.arange(200), ATTENTION.expand(200, -1)
    expected = masks(keys, attention=attention).visible
    assert torch.equal(masks.bfloat16()(keys, attention=attention).visible, expected)


def test_without_attention_it_says_what_is_missing():
    with pytest.raises(ValueError, match='AttentionMasking needs attention beside the keys'):
        AsymmetricMaskGenerator(ROW, UMT, .5)(torch.arange(2))
