import pytest
import torch
from golden import MEAN, STD
from losses import PIXEL_L2

from amd_mm.models.heads import PixelHead
from amd_mm.models.masks import AsymmetricMaskGenerator
from amd_mm.tokens import TokenGrid, gather_patches, scatter_patches

IMAGE, VIDEO = TokenGrid((3, 2), (4, 4)), TokenGrid((2, 3, 2), (2, 4, 4))
UNIT_MEAN, UNIT_STD = [m / 255 for m in MEAN], [s / 255 for s in STD]


def make(grid: TokenGrid, normalize: str | None):
    torch.manual_seed(0)
    images = torch.randn(2, 3, *grid.input_size)
    mask = AsymmetricMaskGenerator(grid, 'random', 0.5)(torch.tensor([1, 2]))
    return PixelHead(grid, UNIT_MEAN, UNIT_STD, PIXEL_L2, normalize), images, mask


def tokens_by_hand(images: torch.Tensor, grid: TokenGrid) -> torch.Tensor:
    """(B, N, values) in raster order, values as (frame,) row, column, channel."""
    import itertools
    tokens = []
    for place in itertools.product(*map(range, grid.size)):
        window = tuple(slice(i * p, (i + 1) * p) for i, p in zip(place, grid.patch, strict=True))
        patch = images[(slice(None), slice(None), *window)]
        tokens.append(patch.movedim(1, -1).flatten(1))
    return torch.stack(tokens, 1)


def test_mae_targets():
    head, images, mask = make(IMAGE, 'token')
    tokens = tokens_by_hand(images, IMAGE)
    tokens = (tokens - tokens.mean(-1, keepdim=True)) / (tokens.var(-1, keepdim=True) + 1e-6)**.5
    target = torch.stack([t[m] for t, m in zip(tokens, mask.masked, strict=True)])
    assert head.loss(target, images, mask)['loss_rec'] < 1e-12
    assert head.loss(target + 2, images, mask)['loss_rec'].item() == pytest.approx(4, rel=1e-5)


def test_videomae_targets_are_on_the_unit_scale():
    head, clips, mask = make(VIDEO, 'token_channel')
    clips[:, :, :2] *= 1e-3  # so flat that the epsilon, hence the scale, matters
    unit = clips * torch.tensor(UNIT_STD).view(3, 1, 1, 1) \
        + torch.tensor(UNIT_MEAN).view(3, 1, 1, 1)
    tokens = tokens_by_hand(unit, VIDEO).unflatten(-1, (-1, 3))
    tokens = (tokens - tokens.mean(-2, keepdim=True)) / (tokens.std(-2, keepdim=True) + 1e-6)
    tokens = tokens.flatten(2)
    target = torch.stack([t[m] for t, m in zip(tokens, mask.masked, strict=True)])
    assert head.loss(target, clips, mask)['loss_rec'] < 1e-6


def test_plain_targets_are_what_the_network_sees():
    head, images, mask = make(IMAGE, None)
    tokens = tokens_by_hand(images, IMAGE)
    target = torch.stack([t[m] for t, m in zip(tokens, mask.masked, strict=True)])
    assert head.loss(target, images, mask)['loss_rec'] == 0
    head.loss_module.loss_weight = .5
    assert head.loss(target + 2, images, mask)['loss_rec'].item() == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize('grid', [IMAGE, VIDEO])
@pytest.mark.parametrize('normalize', PixelHead.NORMALIZATIONS)
def test_perfect_prediction_paints_the_input(grid, normalize):
    head, images, mask = make(grid, normalize)
    images = images * .3  # stay inside [0, 1]
    pixels, mean, std, _ = head._pixels_and_statistics(images, mask)
    painted = head.paint(((pixels - mean) / std).flatten(2), images, mask)
    torch.testing.assert_close(painted, head.to_unit_scale(images), atol=1e-6, rtol=0)
    worse = head.paint(torch.zeros_like(pixels.flatten(2)), images, mask)
    assert (worse - painted).abs().max() > .05


@pytest.mark.parametrize('grid', [IMAGE, VIDEO])
@pytest.mark.parametrize('normalize', PixelHead.NORMALIZATIONS)
def test_an_unaided_picture_knows_nothing_of_the_masked_patches(grid, normalize):
    head, images, mask = make(grid, normalize)
    images = images * .3
    nothing = torch.zeros_like(head._pixels_and_statistics(images, mask)[0].flatten(2))
    painted = head.paint_unaided(nothing, images, mask)
    changed = scatter_patches(
        images, mask.masked, 5 + 0 * gather_patches(images, mask.masked, grid), grid)
    hidden = [gather_patches(picture, mask.masked, grid) for picture in (
        painted, head.paint_unaided(nothing, changed, mask))]
    assert torch.equal(*hidden)
    if normalize is None:
        assert torch.equal(painted, head.paint(nothing, images, mask))
        return
    # Zeros become the mean of what is seen, of a channel or of all.
    seen = gather_patches(head.to_unit_scale(images), mask.visible, grid).movedim(2, -1)
    mean = seen.flatten(1, -2).mean(1)
    if normalize == 'token':
        normal = gather_patches(images, mask.visible, grid).flatten(1).mean(1)
        mean = normal[:, None] * head.std + head.mean
    assert torch.allclose(hidden[0].movedim(2, -1).flatten(1, -2),
                          mean[:, None].expand(-1, hidden[0].movedim(2, -1)[0, ..., 0].numel(), -1),
                          atol=1e-5)


def test_unknown_normalisation_is_refused():
    with pytest.raises(ValueError, match="got 'patch'"):
        make(IMAGE, 'patch')


@pytest.mark.parametrize('compiled', [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize('grid, normalize', [(IMAGE, 'token'), (VIDEO, 'token_channel')])
def test_targets_of_one_value_are_zero(grid, normalize, compiled):
    """Rounding over an epsilon of 1e-6 is no pattern to learn, and differs when compiled."""
    head, images, mask = make(grid, normalize)
    # The values that 8-bit pixels have after normalisation; where all channels count, gray ones.
    gray = torch.arange(len(images), dtype=torch.float32)[:, None] * 97 + 33
    colours = gray.expand(-1, 3) / 255 if normalize == 'token' else (
        (gray + torch.arange(3)) / 255 - head.mean) / head.std
    images = colours.reshape(*colours.shape, *[1] * len(grid.size)).expand_as(images).clone()
    loss = torch.compile(head.loss) if compiled else head.loss
    prediction = torch.zeros(*mask.masked.shape, 3 * torch.Size(grid.patch).numel())
    assert loss(prediction, images, mask)['loss_rec'] == 0
    assert loss(prediction + 2, images, mask)['loss_rec'] == 4
