"""Against the equations of ViTDet's pyramid, with torch's functions on named weights."""
import pytest
import torch
import torch.nn.functional as F
from tiny_vits import randomise
from torch import Tensor

from amd_mm.models.necks import SimpleFeaturePyramid


def norm(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    scale, shift = (weights[f'{name}.{kind}'][:, None, None] for kind in ('weight', 'bias'))
    return (x - mean) / (variance + 1e-6).sqrt() * scale + shift


def test_four_scales_and_a_subsampled_one():
    neck = randomise(SimpleFeaturePyramid(8, 6, 5))
    weights = dict(neck.state_dict())
    last = torch.randn(2, 8, 4, 6)

    def double(x: Tensor, name: str) -> Tensor:
        return F.conv_transpose2d(x, weights[f'{name}.weight'], weights[f'{name}.bias'], stride=2)

    fine = double(F.gelu(norm(double(last, 'rescale.0.0'), weights, 'rescale.0.1')), 'rescale.0.3')
    scales = [fine, double(last, 'rescale.1'), last,
              torch.stack([last[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]).amax(0)]
    expected = []
    for number, x in enumerate(scales):
        name = f'convs.{number}'
        x = norm(F.conv2d(x, weights[f'{name}.0.conv.weight']), weights, f'{name}.0.ln')
        x = F.conv2d(x, weights[f'{name}.1.conv.weight'], padding=1)
        expected.append(norm(x, weights, f'{name}.1.ln'))
    expected.append(expected[-1][..., ::2, ::2])

    found = neck((torch.zeros_like(last), last))
    assert [tuple(level.shape[1:]) for level in found] == [
        (6, 16, 24), (6, 8, 12), (6, 4, 6), (6, 2, 3), (6, 1, 2)]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    # Every weight has taken part.
    sum(level.square().sum() for level in found).backward()
    assert all(p.grad is not None for p in neck.parameters())


def test_a_width_that_cannot_be_halved_twice_is_refused():
    with pytest.raises(ValueError, match='in_channels .* must be a multiple of 4, .* got 6'):
        SimpleFeaturePyramid(6, 8, 5)
