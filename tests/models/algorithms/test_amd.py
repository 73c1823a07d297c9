"""AMD and DMAE against numbers that agree with the authors' released code."""
import golden
import pytest
import torch
from golden import IMAGE_NAMES, VIDEO_NAMES, amd_video, dmae_image, load_golden, renamed
from torch import Tensor, nn

from amd_mm.models.masks import TokenMask
from amd_mm.registry import MODELS


class FixedMasks(nn.Module):
    """Stands in for the mask generator and returns one given mask."""

    def __init__(self, mask: TokenMask) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, keys: Tensor) -> TokenMask:
        return self.mask


def video_step(neck: dict | None = None, edit=None) -> tuple[nn.Module, dict[str, Tensor]]:
    model = load_golden(amd_video(neck))
    masked, extra = golden.golden('amd.masked')[''], golden.golden('amd.extra')['']

    def ids(bools: Tensor) -> Tensor:
        return bools.nonzero()[:, 1].reshape(len(bools), -1)

    model.mask_generator = FixedMasks(TokenMask(ids(~masked), ids(extra), ids(masked)))
    if edit:
        edit(model)
    return model, model.loss(golden.golden('amd.clips')[''][:, None])


def image_step(normalize: str | None) -> tuple[nn.Module, dict[str, Tensor]]:
    model = load_golden(dmae_image(normalize))
    visible = golden.golden('dmae.ids_keep')['']
    masked = golden.golden('dmae.masked')[''].nonzero()[:, 1].reshape(len(visible), -1)
    model.mask_generator = FixedMasks(TokenMask(visible, visible[:, :0], masked))
    return model, model.loss(golden.golden('dmae.images')[''])


def assert_gradients(model: nn.Module, prefix: str, table: list) -> None:
    expected = {renamed(name, table): g for name, g in golden.golden(prefix).items()}
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert set(trained) == set(expected)
    for name, parameter in trained.items():
        error = (parameter.grad - expected[name]).abs().max() / expected[name].abs().max()
        assert error < 2e-5, (name, error)


def test_video_losses_and_gradients_are_the_released_ones():
    model, losses = video_step()
    for name in ('loss_rec', 'loss_dir', 'loss_gen'):
        expected = golden.golden(f'amd.{name}')[''].item()
        assert losses[name].item() == pytest.approx(expected, rel=1e-6), name
    sum(losses.values()).backward()
    assert_gradients(model, 'amd.grad.', VIDEO_NAMES)


@pytest.mark.parametrize('normalize, expected', [(None, 'norm0'), ('token', 'norm1')])
def test_dmae_losses_and_gradients_are_the_released_ones(normalize, expected):
    model, losses = image_step(normalize)
    numbers = golden.golden(f'dmae.{expected}.')
    assert losses['loss_rec'].item() == pytest.approx(numbers['loss_rec'].item(), rel=1e-6)
    assert losses['loss_dir'].item() == pytest.approx(numbers['loss_align_2'].item(), rel=1e-6)
    sum(losses.values()).backward()
    assert_gradients(model, f'dmae.{expected}.grad.', IMAGE_NAMES)
