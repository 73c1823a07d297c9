"""The decoder by hand: embedding, positions, mask tokens, and whose pixels come out."""
import pytest
import torch

from amd_mm.models.masks import AsymmetricMaskGenerator
from amd_mm.models.necks import PixelDecoder
from amd_mm.positions import sincos_positions
from amd_mm.tokens import TokenGrid, gather_tokens

VIDEO, IMAGE = TokenGrid((2, 2, 2), (2, 4, 4)), TokenGrid((3, 3), (4, 4))


def decoder(grid: TokenGrid, prefix: int) -> PixelDecoder:
    torch.manual_seed(0)
    made = PixelDecoder(6, grid, prefix, 3, embed_dims=8, depth=1, num_heads=2)
    made.init_weights()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(.1 * torch.randn(weight.shape))
    return made.eval()


@pytest.mark.parametrize('grid, prefix', [(VIDEO, 0), (IMAGE, 1)])
def test_pixels_by_hand(grid, prefix):
    made = decoder(grid, prefix)
    mask = AsymmetricMaskGenerator(grid, 'random', student_visible=3)(torch.tensor([1, 2]))
    latent = torch.randn(2, prefix + 3, 6, generator=torch.Generator().manual_seed(1))
    table = sincos_positions(grid, 8)
    seen = torch.cat([torch.zeros(2, prefix, 8), gather_tokens(table, mask.visible)], 1)
    x = torch.cat([made.embed(latent) + seen,
                   made.mask_token + gather_tokens(table, mask.masked)], 1)
    expected = made.head(made.norm(made.blocks[0](x)))[:, prefix + 3:]
    torch.testing.assert_close(made(latent, mask), expected, rtol=1e-5, atol=1e-6)


def test_pixels_of_a_token_are_frames_rows_columns_channels():
    assert decoder(VIDEO, 0).head.out_features == 2 * 4 * 4 * 3
    assert decoder(IMAGE, 1).head.out_features == 4 * 4 * 3


def test_only_pictures_have_a_bias_in_the_embedding():
    assert decoder(VIDEO, 0).embed.bias is None and decoder(IMAGE, 1).embed.bias is not None


def test_mask_token_starts_small():
    for grid, largest in ((VIDEO, .02), (IMAGE, .2)):
        torch.manual_seed(0)
        made = PixelDecoder(6, grid, 0, 3, embed_dims=1024, depth=1, num_heads=1)
        made.init_weights()
        assert made.mask_token.abs().max() <= largest
        # A normal deviation of 0.02, cut off at one deviation for clips: 0.54 of it is left.
        assert made.mask_token.std().item() == pytest.approx(
            .02 * (.5396 if grid is VIDEO else 1), rel=.1)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match='multiple of the heads, got 8 and 3'):
        PixelDecoder(6, VIDEO, 0, 3, embed_dims=8, depth=1, num_heads=3)
