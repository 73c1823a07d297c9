import pytest
import torch

from amd_mm.models.masks import AsymmetricMaskGenerator, MaskDraw, MotionMasking
from amd_mm.tokens import TokenGrid

# Tokens of 8 x 8 pixels, tubelets of 2 frames.
CLIP = TokenGrid((5, 4, 6), (2, 8, 8))
MGMAE = dict(type='amd_mm.MotionMasking', reach=8)
KEYS = torch.arange(3)


def panned(down: int, right: int, frames: int = 10) -> torch.Tensor:
    """(3, 3, T, 32, 48), a large picture over which a window moves so many pixels a tubelet."""
    generator = torch.Generator().manual_seed(0)
    picture = torch.randn(3, 3, 128, 128, generator=generator)
    return torch.stack([
        picture[:, :, 48 + down * (t // 2):, 40 + right * (t // 2):][:, :, :32, :48]
        for t in range(frames)], 2)


def scores(images: torch.Tensor, reach: int = 8) -> torch.Tensor:
    """(B, frames, rows, columns)."""
    return MotionMasking(CLIP, reach).scores(MaskDraw(KEYS, 6, images)).unflatten(2, (4, 6))


def test_without_motion_it_is_a_tube():
    found = scores(panned(0, 0))
    assert torch.equal(found, found[:, :1].expand(-1, 5, -1, -1))
    mask = AsymmetricMaskGenerator(CLIP, MGMAE, .75, .5)(KEYS, panned(0, 0))
    tube = AsymmetricMaskGenerator(CLIP, 'tube', .75, .5)(KEYS)
    assert all(torch.equal(a, b) for a, b in zip(mask[:4], tube[:4], strict=True))


@pytest.mark.parametrize('down, right', [(0, 8), (-8, 0), (8, -8)])
def test_tokens_keep_their_scores_while_they_move(down, right):
    """A window that moves a token a tubelet: what was at (r, c) is then at (r - 1, c - 1)."""
    found = scores(panned(down, right))
    for now, after in zip(found.unbind(1), found.unbind(1)[1:], strict=False):
        rows, columns = down // 8, right // 8
        moved = after.roll((rows, columns), (1, 2))
        inside = torch.ones(4, 6, dtype=torch.bool)
        if rows:
            inside[0 if rows > 0 else -1] = False
        if columns:
            inside[:, 0 if columns > 0 else -1] = False
        assert torch.equal(moved[:, inside], now[:, inside])


def test_motion_of_half_a_token_adds_up():
    """4 pixels a tubelet: after two of them a token is at the next place."""
    found = scores(panned(0, 4))
    # Two columns at the edge come from outside, or from what does.
    assert torch.equal(found[:, 4, :, :4], found[:, 2, :, 1:5])
    assert torch.equal(found[:, 0, :, 2:], found[:, 2, :, 1:5])


def test_what_moves_is_followed_and_the_rest_stays():
    generator = torch.Generator().manual_seed(1)
    background = torch.randn(3, 3, 32, 48, generator=generator)
    thing = torch.randn(3, 3, 8, 8, generator=generator)
    frames = []
    for t in range(10):
        frame = background.clone()
        frame[:, :, 8:16, 8 * (t // 2):8 * (t // 2) + 8] = thing
        frames.append(frame)
    found = scores(torch.stack(frames, 2))
    base = found[:, 2]
    for frame in range(5):
        assert torch.equal(found[:, frame, 1, frame], base[:, 1, 2])
        rest = torch.ones(4, 6, dtype=torch.bool)
        # Where it is, was and will be there is what it has uncovered or hides.
        rest[1] = False
        assert torch.equal(found[:, frame, rest], base[:, rest])


def test_every_frame_shows_as_many_and_teachers_see_more_of_them():
    mask = AsymmetricMaskGenerator(CLIP, MGMAE, .75, .5)(KEYS, panned(3, 5))
    for ids, count in ((mask.visible, 6), (mask.extra, 6), (mask.masked, 18)):
        assert torch.bincount((ids // 24).flatten(), minlength=5).tolist() == [3 * count] * 5
    everything = torch.cat([mask.visible, mask.masked], 1).sort().values
    assert torch.equal(everything, torch.arange(120).expand(3, -1))


def test_motion_beyond_reach_is_not_found():
    found = scores(panned(0, 8), reach=4)
    assert not torch.equal(found[:, 3].roll(1, 2)[..., 1:], found[:, 2][..., 1:])


def test_patches_that_no_cell_divides_are_compared_pixel_by_pixel():
    grid = TokenGrid((2, 3, 3), (1, 7, 7))
    images = torch.randn(1, 1, 1, 21, 28)
    images = torch.cat([images[..., :21], images[..., 7:]], 2)
    strategy = MotionMasking(grid, reach=7)
    assert strategy.cell == [1, 1]
    found = strategy.scores(MaskDraw(KEYS[:1], 3, images)).unflatten(2, (3, 3))
    assert torch.equal(found[:, 0, :, 1:], found[:, 1, :, :-1])


def test_pictures_are_refused_and_the_input_is_needed():
    with pytest.raises(ValueError, match='MotionMasking needs clips, got pictures of'):
        MotionMasking(TokenGrid((4, 4), (8, 8)), reach=8)
    with pytest.raises(ValueError, match='MotionMasking needs images beside the keys'):
        AsymmetricMaskGenerator(CLIP, MGMAE, .75)(KEYS)
