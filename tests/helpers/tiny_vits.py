"""Tiny encoders of ours in which every parameter leaves its mark, and their block outputs."""
import torch
from losses import AMD_NECK, pixel_head
from torch import Tensor, nn

from amd_mm.registry import MODELS

SIZE, PATCH, FRAMES, WIDTH, DEPTH, HEADS = 32, 8, 4, 24, 2, 3


def randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Draws every parameter, biases and norms too, so that none can be left out unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        is_norm = parameter.ndim == 1 and name.endswith('weight')
        scale = .3 if parameter.ndim > 1 else .5
        parameter.data.copy_(1 + .3 * noise if is_norm else scale * noise)
    return module.eval()


def video_vit(seed: int = 0, **changes) -> nn.Module:
    config = dict(
        type='amd_mm.VideoVisionTransformer', img_size=SIZE, patch_size=PATCH, embed_dims=WIDTH,
        depth=DEPTH, num_heads=HEADS, num_frames=FRAMES, use_mean_pooling=False)
    return randomise(MODELS.build({**config, **changes}), seed)


def image_vit(seed: int = 0, depth: int = DEPTH, width: int = WIDTH, **changes) -> nn.Module:
    arch = dict(embed_dims=width, num_layers=depth, num_heads=HEADS,
                feedforward_channels=4 * width)
    config = dict(type='amd_mm.ImageVisionTransformer', arch=arch, img_size=SIZE, patch_size=PATCH)
    return randomise(MODELS.build({**config, **changes}), seed)


def pretraining(modality: str, seed: int = 0, amd: bool = False) -> nn.Module:
    """A whole pre-training model: MAE or VideoMAE, or AMD with a random teacher."""
    return randomise(MODELS.build(pretraining_config(modality, amd)), seed)


def pretraining_config(modality: str, amd: bool = False) -> dict:
    """The config of :func:`pretraining`."""
    video = modality == 'video'
    vit = dict(type='amd_mm.VideoVisionTransformer', img_size=SIZE, patch_size=PATCH,
               embed_dims=WIDTH, depth=DEPTH, num_heads=HEADS, num_frames=FRAMES,
               use_mean_pooling=False) if video else dict(
        type='amd_mm.ImageVisionTransformer', img_size=SIZE, patch_size=PATCH,
        arch=dict(embed_dims=WIDTH, num_layers=DEPTH, num_heads=HEADS,
                  feedforward_channels=4 * WIDTH))
    config = dict(
        type='amd_mm.MaskedAutoencoder', backbone=vit,
        mask_generator=dict(type='amd_mm.AsymmetricMaskGenerator', student_ratio=.75,
                            strategy='tube' if video else 'random'),
        decoder=dict(type='amd_mm.PixelDecoder', embed_dims=16, depth=2, num_heads=2),
        head=pixel_head('token'))
    if amd:
        config.update(
            type='amd_mm.AMD', taps=(1, 2), neck=AMD_NECK,
            teacher=dict(type='amd_mm.FrozenTeacher', taps=(1, 2), checkpoint=None, backbone=vit))
        config['mask_generator']['teacher_ratio'] = .5
    return config


def pixels(modality: str, batch: int = 2, seed: int = 1) -> Tensor:
    """(B, 3, [T,] H, W) input for the encoders above."""
    size = (FRAMES, SIZE, SIZE) if modality == 'video' else (SIZE, SIZE)
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def block_outputs(backbone: nn.Module, images: Tensor) -> list[Tensor]:
    """Raw output of every block for all tokens, and the last latent."""
    tokens = torch.arange(backbone.grid.num_tokens).expand(len(images), -1)
    latent, features = backbone.encode(images, tokens, range(1, backbone.depth + 1))
    return [*features, latent]


def assert_same(have: list[Tensor], want: list[Tensor], tolerance: float = 1e-5) -> None:
    """Each tensor within ``tolerance`` of the largest value of its counterpart."""
    assert len(have) == len(want)
    for index, (mine, theirs) in enumerate(zip(have, want, strict=True)):
        error = (mine - theirs).abs().max() / theirs.abs().max()
        assert error <= tolerance, f'block {index + 1}: relative difference {error:.1e}'
