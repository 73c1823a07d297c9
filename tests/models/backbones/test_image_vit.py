import golden
import pytest
import torch
from golden import dmae_image, load_golden
from mmpretrain.models.backbones import VisionTransformer
from torch import nn

from amd_mm.models.backbones import ImageVisionTransformer
from amd_mm.positions import sincos_positions

TINY = dict(embed_dims=24, num_layers=3, num_heads=3, feedforward_channels=96)


def build(**settings) -> ImageVisionTransformer:
    model = ImageVisionTransformer(TINY, img_size=32, patch_size=8, **settings)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=.2)
    return model


def test_names_and_forward_are_the_hosts():
    ours = build(out_type='raw')
    host = VisionTransformer(TINY, img_size=32, patch_size=8, out_type='raw')
    host.load_state_dict(ours.state_dict())
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(images), host(images))


def test_encoding_every_token_is_the_hosts_forward():
    ours = build(out_type='raw')
    images = torch.randn(2, 3, 32, 32)
    latent, features = ours.encode(images, torch.arange(16).expand(2, -1), taps=(1, 3))
    torch.testing.assert_close(latent, ours(images)[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.ln1(features[1]), latent)
    assert not torch.allclose(features[0], features[1])


def test_order_of_tokens_does_not_matter_and_unseen_pixels_neither():
    ours = build()
    images = torch.randn(2, 3, 32, 32)
    ids = torch.tensor([[3, 7, 9], [0, 1, 15]])
    latent, _ = ours.encode(images, ids)
    turned, _ = ours.encode(images, ids.flip(1))
    torch.testing.assert_close(turned[:, 1:].flip(1), latent[:, 1:], rtol=1e-5, atol=1e-5)
    changed = images.clone()
    changed[0, :, 8:16, 0:8] += 1  # token 4, unseen
    assert torch.equal(ours.encode(changed, ids)[0], latent)
    changed[0, :, 0:8, 24:32] += 1  # token 3, seen
    assert not torch.allclose(ours.encode(changed, ids)[0][0], latent[0])


def test_starts_as_mae_does():
    model = build()
    model.init_weights()
    linear = model.layers[0].ffn.layers[0][0]
    assert linear.weight.abs().max() <= (6 / (24 + 96))**.5 and not linear.bias.any()
    projection = model.patch_embed.projection.weight
    assert projection.abs().max() <= (6 / (24 + 3 * 64))**.5
    assert torch.equal(model.pos_embed.data, sincos_positions(model.grid, 24, 1))
    assert not model.pos_embed.requires_grad
    assert build(fixed_positions=False).pos_embed.requires_grad
    assert not ImageVisionTransformer(TINY, img_size=32, patch_size=8, frozen_stages=1,
                                      fixed_positions=False).pos_embed.requires_grad


def test_truncation_keeps_the_features():
    model = build()
    images, ids = torch.randn(2, 3, 32, 32), torch.tensor([[3, 7, 9], [0, 1, 15]])
    whole = model.encode(images, ids, taps=(2, ))[1][0]
    model.truncate(2)
    latent, features = model.encode(images, ids, taps=(2, ))
    assert torch.equal(features[0], whole) and torch.equal(latent, whole)
    assert model.depth == 2 and not hasattr(model, 'ln1')


def test_misspelt_argument_is_refused():
    with pytest.raises(TypeError, match='image_size'):
        ImageVisionTransformer(TINY, image_size=32)


def test_golden_features_depend_on_every_setting():
    """Guards the guard: the golden DMAE numbers notice a moved tap."""
    model = load_golden(dmae_image('token'))
    images, ids = golden.golden('dmae.images')[''], golden.golden('dmae.ids_keep')['']
    features = model.backbone.encode(images, ids, taps=(2, 3))[1]
    assert (features[0] - features[1]).abs().max() > .1


@pytest.mark.parametrize('out_type', ['cls_token', 'avg_featmap'])
def test_a_frozen_one_neither_learns_nor_drops_anything(out_type):
    model = ImageVisionTransformer(TINY, img_size=32, patch_size=8, frozen=True,
                                   drop_path_rate=.9, fixed_positions=False, out_type=out_type)
    assert not any(weight.requires_grad for weight in model.parameters())
    assert model.train() is model and not any(part.training for part in model.modules())
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(model(images)[0], model.eval()(images)[0])


def test_frozen_first_blocks_stay_in_eval_mode_and_are_logged(monkeypatch):
    said = []
    monkeypatch.setattr('amd_mm.models.backbones.image_vit.print_log',
                        lambda text, *_: said.append(text))
    model = ImageVisionTransformer(TINY, img_size=32, patch_size=8, frozen_stages=2)
    assert said[0].startswith('frozen_stages=2 of 3 blocks: the others')
    for _ in range(2):
        assert [layer.training for layer in model.layers] == [False, False, True]
        assert {name.split('.')[1] for name, weight in model.named_parameters()
                if weight.requires_grad and name.startswith('layers')} == {'2'}
        model.eval().train()
    assert not any(part.training for part in model.eval().modules())
    ImageVisionTransformer(TINY, img_size=32, patch_size=8, frozen_stages=3)
    assert len(said) == 1


def test_more_frozen_blocks_than_there_are_is_refused():
    with pytest.raises(ValueError, match='at most the number of blocks, 3, got 4; frozen=True'):
        ImageVisionTransformer(TINY, img_size=32, patch_size=8, frozen_stages=4)
    with pytest.raises(ValueError, match='must be -1, got 3; leave one of them out'):
        ImageVisionTransformer(TINY, img_size=32, patch_size=8, frozen_stages=3, frozen=True)


PICTURE = torch.randn(2, 3, 50, 37, generator=torch.Generator().manual_seed(0))


def as_map(**settings) -> ImageVisionTransformer:
    torch.manual_seed(0)
    return build(out_type='featmap', out_indices=[0, 1, 2], **settings)


@pytest.mark.parametrize('window', [7, 20])
def test_a_window_as_large_as_the_picture_is_the_hosts_forward(window):
    """At another size than the network's, no multiple of the patch: 7 x 5 tokens."""
    ours = as_map(window_size=window, global_blocks=1)
    host = VisionTransformer(TINY, img_size=32, patch_size=8, out_type='featmap',
                             out_indices=[0, 1, 2])
    host.load_state_dict(ours.state_dict())
    for found, expected in zip(ours.eval()(PICTURE), host(PICTURE), strict=True):
        assert found.shape == (2, 24, 7, 5)
        scale = expected.abs().max().item()
        torch.testing.assert_close(found / scale, expected / scale, rtol=0, atol=1e-6)


def block_by_hand(block: nn.Module, x: torch.Tensor, size: tuple, window: int) -> torch.Tensor:
    """One window at a time; the class token, in all of them, gets the mean."""
    attended = torch.zeros_like(x)
    normed = block.ln1(x)
    ids = 1 + torch.arange(size[0] * size[1]).reshape(size)
    parts = [part.flatten() for band in ids.split(window) for part in band.split(window, dim=1)]
    for part in parts:
        seen = block.attn(normed[:, [0, *part]])
        attended[:, 0] += (seen[:, 0] - block.attn.proj.bias) / len(parts)
        attended[:, part] = seen[:, 1:]
    attended[:, 0] += block.attn.proj.bias
    x = x + attended
    return block.ffn(block.ln2(x), identity=x)


def test_blocks_attend_in_windows_and_the_last_of_each_part_everywhere():
    model = as_map(window_size=3, global_blocks=1).eval()
    raw = build(out_type='raw', out_indices=[0, 1, 2], window_size=3, global_blocks=1).eval()
    raw.load_state_dict(model.state_dict())
    first, second, third = raw(PICTURE)
    torch.testing.assert_close(second, block_by_hand(model.layers[1], first, (7, 5), 3))
    torch.testing.assert_close(third, model.ln1(model.layers[2](second)))
    # What lies in another window changes nothing but through the class token.
    assert (as_map()(PICTURE)[0] - model(PICTURE)[0]).abs().max() > .01
    everywhere = as_map(window_size=3, global_blocks=3).eval()
    torch.testing.assert_close(everywhere(PICTURE), as_map().eval()(PICTURE))


def test_recomputing_changes_no_gradient():
    gradients = []
    for with_cp in (False, True):
        model = as_map(window_size=3, global_blocks=1, with_cp=with_cp).train()
        sum(map(torch.sum, model(PICTURE))).backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(('settings', 'words'), [
    (dict(window_size=3), 'must be given together, got 3 and None'),
    (dict(global_blocks=3), 'must be given together, got None and 3'),
    (dict(window_size=3, global_blocks=2), 'must divide the number of blocks, 3, got 2'),
])
def test_windows_that_do_not_fit_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        build(**settings)


def test_some_tokens_only_have_no_windows():
    model = build(window_size=2, global_blocks=1)
    with pytest.raises(ValueError, match='window_size must be None where only some tokens'):
        model.encode(torch.zeros(1, 3, 32, 32), torch.zeros(1, 2, dtype=torch.int64))
