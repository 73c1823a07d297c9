import pytest
import torch
from mmaction.models.backbones.vit_mae import Block
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer

from amd_mm.models.backbones import ImageVisionTransformer, VideoVisionTransformer
from amd_mm.models.blocks import (
    ImageBlock,
    VideoBlock,
    build_blocks,
    init_mask_token,
    predict_tokens,
    run_blocks,
)
from amd_mm.tokens import TokenGrid

IMAGE, VIDEO = TokenGrid((2, 2), (4, 4)), TokenGrid((2, 2, 2), (2, 4, 4))


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=.3)
    return module


@pytest.mark.parametrize('qkv_bias', [True, False])
def test_video_block_is_the_hosts(qkv_bias):
    settings = dict(qkv_bias=qkv_bias, qk_scale=.2, init_values=.5)
    host, ours = randomised(Block(12, 3, **settings)), VideoBlock(12, 3, **settings)
    ours.load_state_dict(host.state_dict())
    x = torch.randn(2, 7, 12)
    torch.testing.assert_close(ours(x), host(x), rtol=1e-5, atol=1e-5)


def test_blocks_follow_the_modality():
    video, image = (build_blocks(grid, 12, 2, 3) for grid in (VIDEO, IMAGE))
    assert all(isinstance(b, VideoBlock) for b in video) and len(video) == 2
    host = randomised(TransformerEncoderLayer(12, 3, 48, norm_cfg=dict(type='LN', eps=1e-6)))
    image[0].load_state_dict(host.state_dict())
    x = torch.randn(2, 7, 12)
    torch.testing.assert_close(image[0](x), host(x))


@pytest.mark.parametrize('depth, heads, words', [
    (2, 5, 'multiple of the heads, got 12 and 5'), (2, 0, 'num_heads'), (0, 3, 'depth|num_layers')])
def test_size_must_be_one_that_works(depth, heads, words):
    with pytest.raises(ValueError, match='multiple of the heads|at least 1 block, got depth 0'):
        build_blocks(VIDEO, 12, depth, heads)
    with pytest.raises(ValueError, match=words):
        VideoVisionTransformer(embed_dims=12, depth=depth, num_heads=heads)
    with pytest.raises(ValueError, match=words):
        ImageVisionTransformer(dict(
            embed_dims=12, num_layers=depth, num_heads=heads, feedforward_channels=48))


def test_taps_count_from_one_and_recomputation_changes_nothing():
    blocks = randomised(build_blocks(VIDEO, 12, 3, 3))
    x = torch.randn(2, 7, 12, requires_grad=True)
    last, features = run_blocks(blocks, x, taps=(1, 3))
    _, asked = run_blocks(blocks, x, taps=(3, 1, 3))
    assert all(map(torch.equal, asked, (features[1], features[0], features[1])))
    assert torch.equal(features[0], blocks[0](x)) and torch.equal(features[1], last)
    last.sum().backward()
    gradient, x.grad = x.grad, None
    recomputed, _ = run_blocks(blocks, x, with_cp=True)
    recomputed.sum().backward()
    assert torch.equal(recomputed, last)
    torch.testing.assert_close(x.grad, gradient)


@pytest.mark.parametrize('with_cp', [False, True])
@pytest.mark.parametrize('blocks', [
    lambda: [VideoBlock(12, 3, init_values=.5, qk_scale=.2) for _ in range(2)],
    lambda: [VideoBlock(12, 3, qkv_bias=False) for _ in range(2)],
    lambda: [ImageBlock(12, 3, 48) for _ in range(2)]], ids=['video', 'no_bias', 'image'])
def test_what_is_not_read_is_not_computed_and_changes_nothing(blocks, with_cp):
    blocks = randomised(torch.nn.ModuleList(blocks()).double())
    x = torch.randn(2, 7, 12, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 3, 12, dtype=torch.float64)
    gradients = []
    for read in (lambda: run_blocks(blocks, x)[0][:, -3:],
                 lambda: predict_tokens(blocks, x, 3, with_cp)):
        value = read()
        gradients.append([value, *torch.autograd.grad(
            (value * weights).sum(), [x, *blocks.parameters()])])
    for whole, part in zip(*gradients, strict=True):
        torch.testing.assert_close(part, whole, rtol=1e-10, atol=1e-10)
    seen = []
    mlp = 'mlp' if hasattr(blocks[-1], 'mlp') else 'ffn'
    getattr(blocks[-1], mlp).register_forward_pre_hook(lambda m, args: seen.append(args[0].shape))
    predict_tokens(blocks, x, 3)
    assert seen == [(2, 3, 12)]


@pytest.mark.parametrize('grid, limit, deviation', [(VIDEO, .02, .0108), (IMAGE, .1, .02)])
def test_mask_token_starts_as_published(grid, limit, deviation):
    token = torch.nn.Parameter(torch.zeros(1, 1, 20000))
    init_mask_token(token, grid)
    assert token.abs().max() <= limit
    assert token.std().item() == pytest.approx(deviation, rel=.05)
