import pytest
import torch
from mmaction.models.backbones.vit_mae import VisionTransformer, get_sinusoid_encoding
from torch import nn

from amd_mm.models.backbones import VideoVisionTransformer

SIZE = dict(img_size=16, patch_size=8, num_frames=4, embed_dims=24, depth=3, num_heads=3)


def randomised(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=.2)
    return model


@pytest.mark.parametrize('settings', [
    dict(), dict(use_mean_pooling=False), dict(return_feat_map=True), dict(init_values=.1),
    dict(use_learnable_pos_emb=True), dict(qkv_bias=False)])
def test_names_and_forward_are_the_hosts(settings):
    ours = randomised(VideoVisionTransformer(**SIZE, **settings))
    host = VisionTransformer(**SIZE, **settings)
    host.load_state_dict(ours.state_dict())
    clips = torch.randn(2, 3, 4, 16, 16)
    torch.testing.assert_close(ours(clips), host(clips), rtol=1e-5, atol=1e-5)
    if not settings.get('use_learnable_pos_emb'):
        larger = torch.randn(1, 3, 4, 32, 24)
        torch.testing.assert_close(ours(larger), host(larger), rtol=1e-5, atol=1e-5)


def test_encoding_every_token_is_the_hosts_forward():
    ours = randomised(VideoVisionTransformer(**SIZE, use_mean_pooling=False))
    host = VisionTransformer(**SIZE, use_mean_pooling=False, return_feat_map=True)
    host.load_state_dict(ours.state_dict())
    clips = torch.randn(2, 3, 4, 16, 16)
    latent, _ = ours.encode(clips, torch.arange(8).expand(2, -1))
    expected = host(clips).flatten(2).transpose(1, 2)
    torch.testing.assert_close(latent, expected, rtol=1e-5, atol=1e-5)


def test_unseen_pixels_do_not_matter():
    ours = randomised(VideoVisionTransformer(**SIZE, use_mean_pooling=False))
    clips, ids = torch.randn(1, 3, 4, 16, 16), torch.tensor([[1, 5]])
    latent, _ = ours.encode(clips, ids)
    changed = clips.clone()
    changed[:, :, 2:, :8, :8] += 1  # token 4, unseen
    assert torch.equal(ours.encode(changed, ids)[0], latent)
    changed[:, :, 2:, :8, 8:] += 1  # token 5, seen
    assert not torch.allclose(ours.encode(changed, ids)[0], latent)


def test_recomputation_changes_nothing():
    ours = randomised(VideoVisionTransformer(**SIZE, use_mean_pooling=False)).train()
    clips, ids = torch.randn(1, 3, 4, 16, 16), torch.tensor([[1, 5]])
    latents, gradients = [], []
    for ours.with_cp in (False, True):
        latent, features = ours.encode(clips, ids, taps=(1, ))
        (latent.sum() + features[0].sum()).backward()
        latents.append(latent)
        gradients.append({n: p.grad.clone() for n, p in ours.named_parameters()})
        ours.zero_grad()
    assert torch.equal(*latents)
    torch.testing.assert_close(*gradients)


def test_starts_as_videomae_does():
    model = randomised(VideoVisionTransformer(**SIZE))
    model.init_weights()
    linear = model.blocks[0].mlp.layers[0][0]
    assert .9 < linear.weight.abs().max() / (6 / (24 + 96))**.5 <= 1 and not linear.bias.any()
    assert model.fc_norm.weight.eq(1).all()


@pytest.mark.parametrize('settings, words', [
    (dict(num_frames=5), 'multiple of the tubelet size 2, got 5'),
    (dict(img_size=20), 'multiple of the patch size 8, got 20'),
])
def test_input_must_fit_the_patch(settings, words):
    with pytest.raises(ValueError, match=words):
        VideoVisionTransformer(**{**SIZE, **settings})


def test_misspelt_argument_is_refused():
    with pytest.raises(TypeError, match='tubelet'):
        VideoVisionTransformer(**SIZE, tubelet=2)


def test_recomputation_in_finetuning_changes_nothing():
    ours = randomised(VideoVisionTransformer(**SIZE, drop_path_rate=.5)).train()
    clips = torch.randn(4, 3, 4, 16, 16)
    outputs, gradients = [], []
    for ours.with_cp in (False, True):
        torch.manual_seed(0)
        outputs.append(ours(clips))
        outputs[-1].square().sum().backward()
        gradients.append({n: p.grad.clone() for n, p in ours.named_parameters()})
        ours.zero_grad()
    assert torch.equal(*outputs)
    torch.testing.assert_close(*gradients)


def test_recomputation_keeps_one_block_s_activations():
    """What the backward pass holds on to: with recomputation, little more than block inputs."""
    ours = randomised(VideoVisionTransformer(**SIZE)).train()
    kept = []
    for ours.with_cp in (False, True):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
                lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t):
            ours(torch.randn(8, 3, 4, 16, 16))
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 3


def test_other_frame_counts_interpolate_positions_in_time():
    ours = randomised(VideoVisionTransformer(**SIZE))
    longer = randomised(VideoVisionTransformer(**{**SIZE, 'num_frames': 8}))
    longer.load_state_dict({**ours.state_dict(), 'pos_embed': longer.pos_embed})
    first, last = ours.pos_embed[0].unflatten(0, (2, 4))
    between = [.75 * first + .25 * last, .25 * first + .75 * last]
    longer.pos_embed[0] = torch.cat([first, *between, last])
    clips = torch.randn(2, 3, 8, 16, 16)
    torch.testing.assert_close(ours(clips), longer(clips), rtol=1e-5, atol=1e-5)


def test_a_frozen_one_neither_learns_nor_drops_anything():
    model = VideoVisionTransformer(
        **SIZE, frozen=True, drop_path_rate=.9, use_learnable_pos_emb=True)
    assert not any(weight.requires_grad for weight in model.parameters())
    assert model.train() is model and not any(part.training for part in model.modules())
    clips = torch.randn(2, 3, 4, 16, 16)
    assert torch.equal(model(clips), model.eval()(clips))
    other = VideoVisionTransformer(**SIZE)
    assert other.train() is other and all(part.training for part in other.modules())
    assert all(weight.requires_grad for name, weight in other.named_parameters()
               if name != 'pos_embed')


def test_rows_and_columns_may_differ():
    """The host builds squares alone, but computes any rectangle of whose table it is told."""
    ours = randomised(VideoVisionTransformer(
        **{**SIZE, 'img_size': (16, 24)}, use_mean_pooling=False, return_feat_map=True))
    host = VisionTransformer(**SIZE, use_mean_pooling=False, return_feat_map=True)
    host.grid_size, host.pos_embed = (2, 3), get_sinusoid_encoding(2 * 2 * 3, 24)
    host.load_state_dict(ours.state_dict())
    clips = torch.randn(2, 3, 4, 16, 24)
    expected = host(clips)
    torch.testing.assert_close(ours(clips), expected, rtol=1e-5, atol=1e-5)
    latent, _ = ours.encode(clips, torch.arange(12).expand(2, -1))
    torch.testing.assert_close(latent, expected.flatten(2).transpose(1, 2), rtol=1e-5, atol=1e-5)
    assert ours.architecture.image_size == (16, 24)
