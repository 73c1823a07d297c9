"""Pixel by pixel: who sees what, and that a picture shows what the network said."""
import pytest
import torch
from golden import amd_video, dmae_image, load_golden
from teachers import two_teachers_config
from torch import Tensor, nn

from amd_mm.inference import fixed_keys, reconstruct
from amd_mm.models.masks import AsymmetricMaskGenerator
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenGrid
from amd_mm.visualization import describe, reconstruction_views
from amd_mm.visualization.views import GRAY

IMAGE = TokenGrid((4, 6), (8, 8))
CLIP = TokenGrid((4, 2, 3), (2, 8, 8))


def pixels_of(ids: Tensor, grid: TokenGrid) -> Tensor:
    """(B, 1, (T,) H, W), true where a token of ``ids`` is; by repetition, not by indexing."""
    tokens = torch.zeros(len(ids), grid.num_tokens, dtype=torch.bool).scatter(1, ids, True)
    pixels = tokens.unflatten(1, grid.size)
    for axis, side in enumerate(grid.patch, start=1):
        pixels = pixels.repeat_interleave(side, axis)
    return pixels[:, None]


@pytest.mark.parametrize('grid', [IMAGE, CLIP])
def test_each_side_shows_exactly_what_it_sees(grid):
    masks = AsymmetricMaskGenerator(
        grid, 'tube' if grid.is_video else 'random', student_ratio=0.8, teacher_ratio=0.5)
    mask = masks(torch.arange(2))
    images = torch.rand(2, 3, *grid.input_size)
    painted = torch.rand(2, 3, *grid.input_size)
    views = reconstruction_views(images, painted, mask, None, grid)
    assert list(views) == ['input', "student's view", "teacher's view", 'reconstruction']
    assert views['input'] is images and views['reconstruction'] is painted
    both = reconstruction_views(images, painted, mask, images, grid)
    assert list(both) == [*views, 'own statistics'] and both['own statistics'] is images
    student, extra = pixels_of(mask.visible, grid), pixels_of(mask.extra, grid)
    assert 0 < student.sum() < (student | extra).sum() < student.numel()
    for name, seen in (("student's view", student), ("teacher's view", student | extra)):
        assert torch.equal(views[name], torch.where(seen, images, torch.tensor(GRAY)))


def test_each_of_several_teachers_has_a_view():
    masks = AsymmetricMaskGenerator(
        IMAGE, 'random', student_ratio=0.75, teacher_ratio=[0.75, 0.25, 0.5])
    mask, images = masks(torch.arange(2)), torch.rand(2, 3, *IMAGE.input_size)
    views = reconstruction_views(images, images, mask, None, IMAGE)
    # The first sees what the student sees.
    assert list(views) == ['input', "student's view", "teacher 2's view", "teacher 3's view",
                           'reconstruction']
    for number in (1, 2):
        seen = pixels_of(mask.seen_by(number).teacher_visible, IMAGE)
        assert torch.equal(views[f"teacher {number + 1}'s view"],
                           torch.where(seen, images, torch.tensor(GRAY)))


def test_no_teachers_view_where_it_is_the_students():
    mask = AsymmetricMaskGenerator(IMAGE, 'random', student_ratio=0.75)(torch.arange(1))
    images = torch.rand(1, 3, *IMAGE.input_size)
    views = reconstruction_views(images, images, mask, None, IMAGE)
    assert list(views) == ['input', "student's view", 'reconstruction']


class Answer(nn.Module):
    """A decoder that says ``pixels`` (B, C, (T,) H, W), or a normalised form of them."""

    def __init__(self, pixels: Tensor, grid: TokenGrid, normalize: str | None) -> None:
        super().__init__()
        split = [n for pair in zip(grid.size, grid.patch, strict=True) for n in pair]
        tokens = pixels.unflatten(2, split[:2])
        for axis, _ in enumerate(grid.size[1:], start=1):
            tokens = tokens.unflatten(2 + 2 * axis, split[2 * axis:2 * axis + 2])
        axes = range(2, 2 + len(split))
        # (B, N, pixels of a token in raster order, C)
        tokens = tokens.permute(0, *axes[::2], *axes[1::2], 1)
        tokens = tokens.flatten(1, len(grid.size)).flatten(2, -2)
        if normalize == 'token':
            tokens = ((tokens - tokens.mean((2, 3), keepdim=True))
                      / (tokens.var((2, 3), keepdim=True) + 1e-6).sqrt())
        elif normalize == 'token_channel':
            tokens = (tokens - tokens.mean(2, keepdim=True)) / (tokens.std(2, keepdim=True) + 1e-6)
        self.tokens = tokens.flatten(2)

    def forward(self, latent, mask):
        return torch.stack([row[ids] for row, ids in
                            zip(self.tokens, mask.masked, strict=True)])


def inputs_for(model: nn.Module) -> list[Tensor] | Tensor:
    size = model.backbone.grid.input_size
    pixels = torch.randint(256, (2, 3, *size), dtype=torch.uint8)
    return list(pixels[:, None]) if model.backbone.grid.is_video else pixels


def unit_scale(inputs: list[Tensor] | Tensor) -> Tensor:
    return (torch.cat(inputs) if isinstance(inputs, list) else inputs) / 255


def network_scale(model: nn.Module, images: Tensor) -> Tensor:
    mean, std = model.head.mean, model.head.std
    return ((images.movedim(1, -1) - mean) / std).movedim(-1, 1)


BUILDS = [(dmae_image, dict(normalize=n), n) for n in ('token', 'token_channel', None)] + [
    (amd_video, dict(), 'token_channel')]


@pytest.mark.parametrize('build, arguments, normalize', BUILDS)
def test_a_perfect_decoder_gives_the_input_back(build, arguments, normalize):
    model = load_golden(build(**arguments))
    inputs = inputs_for(model)
    truth = unit_scale(inputs)
    seen_as = truth if normalize == 'token_channel' else network_scale(model, truth)
    model.decoder = Answer(seen_as, model.backbone.grid, normalize)
    images, painted, mask, _ = reconstruct(model, inputs, fixed_keys(2))
    torch.testing.assert_close(images, truth, atol=1e-6, rtol=0)
    torch.testing.assert_close(painted, truth, atol=2e-6, rtol=0)


def test_masked_patches_are_what_the_decoder_says_and_visible_ones_the_input():
    model = load_golden(dmae_image(None))
    inputs = inputs_for(model)
    said = torch.rand(unit_scale(inputs).shape)
    model.decoder = Answer(network_scale(model, said), model.backbone.grid, None)
    _, painted, mask, _ = reconstruct(model, inputs, fixed_keys(2))
    masked = pixels_of(mask.masked, model.backbone.grid)
    torch.testing.assert_close(
        painted, torch.where(masked, said, unit_scale(inputs)), atol=1e-6, rtol=0)


def test_masks_hang_on_seed_and_place_alone():
    model = load_golden(dmae_image('token'))
    inputs = inputs_for(model)
    both = reconstruct(model, inputs, fixed_keys(2, seed=1)).mask.visible
    assert torch.equal(reconstruct(model, inputs[1:], fixed_keys(2, seed=1)[1:]).mask.visible[0],
                       both[1])
    assert not torch.equal(both[0], both[1])
    assert not torch.equal(reconstruct(model, inputs, fixed_keys(2)).mask.visible, both)


def test_drawing_leaves_no_trace():
    model = load_golden(dmae_image('token')).train()
    model.backbone.layers[0].eval()
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    reconstruct(model, inputs_for(model)[:1].clone(), fixed_keys(1))
    drawn = torch.get_rng_state()
    assert [module.training for module in model.modules()] == modes
    torch.set_rng_state(state)
    inputs_for(model)
    assert torch.equal(torch.get_rng_state(), drawn)


def test_the_description_says_when_true_statistics_were_used():
    for normalize, used in (('token', True), ('token_channel', True), (None, False)):
        text = describe(dmae_image(normalize))
        assert text.startswith('The student sees 4 of 16 tokens')
        assert 'teacher' not in text
        assert ('True patch statistics were used' in text) == used
    assert describe(amd_video()).startswith(
        'The student sees 8 of 64 tokens, the teacher 16. True patch')
    several = MODELS.build(two_teachers_config('image', mask_generator=dict(
        type='amd_mm.AsymmetricMaskGenerator', strategy='random', student_ratio=.75,
        teacher_ratio=[.5, .25])))
    assert describe(several).startswith(
        'The student sees 4 of 16 tokens, the teachers 8 and 12. True patch')
