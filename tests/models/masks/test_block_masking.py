import pytest
import torch

from amd_mm.models.masks import AsymmetricMaskGenerator, BlockMasking, MaskDraw
from amd_mm.tokens import TokenGrid

IMAGE = TokenGrid((14, 14), (16, 16))
CLIP = TokenGrid((3, 14, 14), (2, 16, 16))
BEIT = dict(type='amd_mm.BlockMasking', min_size=16, aspect=(.3, 1 / .3))


def is_rectangle(places: torch.Tensor) -> bool:
    """Whether (rows, columns) of truth values are those of a whole rectangle."""
    rows, columns = places.any(1), places.any(0)
    return bool((places == rows[:, None] & columns).all())


def hidden(ratio: float, count: int = 500) -> torch.Tensor:
    """(count, rows, columns), which of a picture's places are masked."""
    mask = AsymmetricMaskGenerator(IMAGE, BEIT, ratio)(torch.arange(count))
    return torch.zeros(count, 196, dtype=torch.bool).scatter(1, mask.masked, True).view(-1, 14, 14)


def test_a_single_block_is_a_rectangle_of_the_count():
    """With as many places to mask as a block has at least, there is one block, of their number."""
    mask = AsymmetricMaskGenerator(
        IMAGE, dict(BEIT, min_size=36, aspect=(1, 1)), student_visible=160)(torch.arange(50))
    places = torch.zeros(50, 196, dtype=torch.bool).scatter(1, mask.masked, True).view(-1, 14, 14)
    assert all(map(is_rectangle, places))
    assert {tuple(place.any(axis).sum().item() for axis in (0, 1)) for place in places} == {(6, 6)}
    assert len({tuple(place.flatten().tolist()) for place in places}) > 30


def test_areas_and_ratios_are_within_their_bounds():
    """The first block alone: nothing is shown but what it leaves over."""
    strategy = BlockMasking(IMAGE, min_size=16, aspect=(.3, 1 / .3))
    scores = strategy.scores(MaskDraw(torch.arange(2000), num_seen=118))
    num_blocks = 2 * 5 + 4  # for 78 places
    first = (scores > num_blocks * 196).view(-1, 14, 14)
    assert all(map(is_rectangle, first))
    rows, columns = first.any(2).sum(1), first.any(1).sum(1)
    assert 12 <= (rows * columns).min() <= 18 and 72 <= (rows * columns).max() <= 85
    assert .25 <= (rows / columns).min() < .35 and 2.85 < (rows / columns).max() <= 4
    # as often high as wide
    assert abs((rows > columns).float().mean() - (rows < columns).float().mean()) < .06


def test_what_is_masked_hangs_together():
    """Of neighbours of a masked place most are masked; of random places 40 % would be."""
    places = hidden(.4)
    assert places.sum((1, 2)).unique().tolist() == [78]
    both = (places[:, 1:] & places[:, :-1]).sum() / places[:, 1:].sum()
    assert both > .85


def test_no_place_is_preferred_by_up_and_down_or_left_and_right():
    share = hidden(.4, 8000).float().mean(0)
    assert (share - share.flip(0)).abs().max() < .03
    assert (share - share.flip(1)).abs().max() < .03
    # blocks lie inside the frame, so the middle is masked most
    assert share[7, 7] > .5 > .2 > share[0, 0]


def test_clips_have_the_same_blocks_in_every_frame():
    picture = AsymmetricMaskGenerator(IMAGE, BEIT, .4, .2)(torch.arange(5))
    clip = AsymmetricMaskGenerator(CLIP, BEIT, .4, .2)(torch.arange(5))
    for ids, frame in zip(clip[:3], picture[:3], strict=True):
        assert torch.equal(ids.view(5, 3, -1), frame[:, None] + torch.tensor([[0], [196], [392]]))


@pytest.mark.parametrize('changes', [dict(min_size=197), dict(aspect=(2, .5))])
def test_blocks_that_cannot_be_are_refused(changes):
    with pytest.raises(ValueError, match='at most the 196 places of a frame, and aspect'):
        BlockMasking(IMAGE, **{**dict(min_size=16, aspect=(.5, 2)), **changes})
