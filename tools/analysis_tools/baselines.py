"""What the released codes do in a training step and to load a clip, restated plainly.

AMD embeds every patch, picks tokens by boolean masks and builds every N x N matrix of attention;
DMAE runs the whole teacher, and its decoder, at each step; the loader makes a PIL image of
every frame. Numbers are the released ones, and parameters have the names of the
released checkpoints. Baselines for speed: nothing here is meant to be used.

Shapes: B clips or images, N tokens in raster order, D channels.
"""
import random
from collections.abc import Sequence

import decord
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

MEAN, STD = (.485, .456, .406), (.229, .224, .225)


def sine_table(length: int, dims: int) -> Tensor:
    """(1, length, dims), fixed."""
    position = torch.arange(length, dtype=torch.float64)[:, None]
    column = torch.arange(dims, dtype=torch.float64)
    angle = position / 10000**(2 * (column // 2) / dims)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()[None]


class Attention(nn.Module):
    """Clips have a bias for queries and values, images for keys as well."""

    def __init__(self, dims: int, heads: int, is_video: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dims, 3 * dims, bias=not is_video)
        if is_video:
            self.q_bias, self.v_bias = (nn.Parameter(torch.zeros(dims)) for _ in range(2))
        self.proj = nn.Linear(dims, dims)

    def forward(self, x: Tensor) -> Tensor:
        B, N, D = x.shape
        bias = self.qkv.bias
        if bias is None:
            bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        qkv = F.linear(x, self.qkv.weight, bias)
        q, k, v = qkv.reshape(B, N, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q * (D // self.heads)**-0.5 @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(B, N, D))


class Mlp(nn.Module):

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dims, 4 * dims), nn.Linear(4 * dims, dims)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):

    def __init__(self, dims: int, heads: int, is_video: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(dims, eps=1e-6) for _ in range(2))
        self.attn, self.mlp = Attention(dims, heads, is_video), Mlp(dims)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def blocks(dims: int, depth: int, heads: int, is_video: bool) -> nn.ModuleList:
    return nn.ModuleList(Block(dims, heads, is_video) for _ in range(depth))


class PatchEmbed(nn.Module):

    def __init__(self, dims: int, patch: tuple[int, ...]) -> None:
        super().__init__()
        convolution = nn.Conv3d if len(patch) == 3 else nn.Conv2d
        self.proj = convolution(3, dims, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


def picked(tokens: Tensor, where: Tensor) -> Tensor:
    """Rows of ``tokens`` (B or 1, N, D) where (B, N) is true, as many a sample."""
    tokens = tokens.expand(len(where), -1, -1)
    return tokens[where].reshape(len(where), -1, tokens.shape[-1])


class VideoEncoder(nn.Module):
    """VideoMAE's encoder; returns the last output and those of ``taps`` (counted from 1)."""

    def __init__(self, dims: int, depth: int, heads: int, length: int, patch: int,
                 taps: Sequence[int], projected_dims: int | None = None) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(dims, (2, patch, patch))
        self.blocks = blocks(dims, depth, heads, is_video=True)
        self.register_buffer('pos_embed', sine_table(length, dims), persistent=False)
        self.taps = taps
        if projected_dims:
            self.norm = nn.LayerNorm(dims, eps=1e-6)
            self.projection_heads = nn.ModuleList(
                nn.Linear(dims, projected_dims, bias=False) for _ in taps)

    def forward(self, clips: Tensor, seen: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        x = self.patch_embed(clips) + self.pos_embed
        x = torch.cat([picked(x, where) for where in seen], 1)
        features = []
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number in self.taps:
                features.append(x)
        return x, features


class Head(nn.Module):
    """Blocks, and for pixels a norm and a linear layer."""

    def __init__(self, dims: int, depth: int, heads: int, pixels: int | None = None) -> None:
        super().__init__()
        self.blocks = blocks(dims, depth, heads, is_video=True)
        if pixels:
            self.norm, self.head = nn.LayerNorm(dims, eps=1e-6), nn.Linear(dims, pixels)

    def forward(self, x: Tensor, read: int) -> Tensor:
        for block in self.blocks:
            x = block(x)
        x = x[:, -read:]
        return self.head(self.norm(x)) if hasattr(self, 'head') else x


class AMDStudent(nn.Module):
    """Encoder, decoder, and a generator for each tap."""

    def __init__(self, encoder: dict, decoder: tuple[int, int, int], teacher_dims: int,
                 patch: int, length: int) -> None:
        super().__init__()
        self.encoder = VideoEncoder(
            **encoder, patch=patch, length=length, projected_dims=teacher_dims)
        self.encoder_to_decoder = nn.Linear(encoder['dims'], decoder[0], bias=False)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder[0]))
        self.decoder = Head(*decoder, pixels=3 * 2 * patch**2)
        self.generators = nn.ModuleList(
            Head(teacher_dims, 2, max(teacher_dims // 64, 1)) for _ in encoder['taps'])
        self.generator_mask_tokens = nn.ParameterList(
            nn.Parameter(torch.zeros(1, 1, teacher_dims)) for _ in encoder['taps'])
        self.register_buffer('decoder_pos', sine_table(length, decoder[0]), persistent=False)
        self.register_buffer('generator_pos', sine_table(length, teacher_dims), persistent=False)

    def forward(self, clips: Tensor, masked: Tensor,
                extra: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        x, features = self.encoder(clips, [~masked])
        projected = [head(f) for head, f in
                     zip(self.encoder.projection_heads, features, strict=True)]
        generated = [
            generator(torch.cat([feature + picked(self.generator_pos, ~masked),
                                 token + picked(self.generator_pos, extra)], 1),
                      int(extra[0].sum()))
            for feature, generator, token in zip(
                projected, self.generators, self.generator_mask_tokens, strict=True)]
        x = self.encoder_to_decoder(self.encoder.norm(x))
        x = torch.cat([x + picked(self.decoder_pos, ~masked),
                       self.mask_token + picked(self.decoder_pos, masked)], 1)
        return self.decoder(x, int(masked[0].sum())), projected, generated


def tube_masks(batch: int, frames: int, per_frame: int) -> tuple[Tensor, Tensor]:
    """What the student does not see, and what of it the teacher does; (B, N) bool each."""
    hidden, hidden_teacher = int(.9 * per_frame), int(.75 * per_frame)
    order = torch.rand(batch, per_frame).argsort(1).argsort(1)
    masked, extra = order < hidden, (order >= hidden_teacher) & (order < hidden)
    return masked.repeat(1, frames), extra.repeat(1, frames)


def amd_losses(student: AMDStudent, teacher: VideoEncoder, clips: Tensor, masked: Tensor,
               extra: Tensor) -> dict[str, Tensor]:
    """``loss_rec``, ``loss_dir``, ``loss_gen``, weighted alike."""
    mean, std = (torch.tensor(values, device=clips.device).view(1, 3, 1, 1, 1)
                 for values in (MEAN, STD))
    B, C, T, H, W = clips.shape
    patch = student.encoder.patch_embed.proj.kernel_size[1]
    with torch.no_grad():
        _, features = teacher(clips, [~masked, extra])
        pixels = (clips * std + mean).reshape(
            B, C, T // 2, 2, H // patch, patch, W // patch, patch)
        pixels = pixels.permute(0, 2, 4, 6, 3, 5, 7, 1).reshape(B, -1, 2 * patch**2, C)
        pixels = (pixels - pixels.mean(-2, keepdim=True)) / (
            pixels.var(-2, unbiased=True, keepdim=True).sqrt() + 1e-6)
        target = picked(pixels.flatten(2), masked)
    prediction, projected, generated = student(clips, masked, extra)
    seen = projected[0].shape[1]
    return dict(
        loss_rec=F.mse_loss(prediction, target),
        loss_dir=sum(F.mse_loss(p, f[:, :seen]) for p, f in
                     zip(projected, features, strict=True)) / len(features),
        loss_gen=sum(F.mse_loss(g, f[:, seen:]) for g, f in
                     zip(generated, features, strict=True)) / len(features))


class ImageAutoencoder(nn.Module):
    """MAE; with ``tap`` (counted from 1) and the teacher's width a DMAE student."""

    def __init__(self, encoder: tuple[int, int, int], decoder: tuple[int, int, int], patch: int,
                 length: int, tap: int, projected_dims: int | None = None) -> None:
        super().__init__()
        (dims, depth, heads), (decoder_dims, decoder_depth, decoder_heads) = encoder, decoder
        self.tap = tap
        self.patch_embed = PatchEmbed(dims, (patch, patch))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dims))
        self.pos_embed = nn.Parameter(torch.zeros(1, length + 1, dims), requires_grad=False)
        self.blocks = blocks(dims, depth, heads, is_video=False)
        self.norm = nn.LayerNorm(dims, eps=1e-6)
        self.decoder_embed = nn.Linear(dims, decoder_dims)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_dims))
        self.decoder_pos_embed = nn.Parameter(
            torch.zeros(1, length + 1, decoder_dims), requires_grad=False)
        self.decoder_blocks = blocks(decoder_dims, decoder_depth, decoder_heads, is_video=False)
        self.decoder_norm = nn.LayerNorm(decoder_dims, eps=1e-6)
        self.decoder_pred = nn.Linear(decoder_dims, patch**2 * 3)
        if projected_dims:
            self.aligned_feature_projection_heads = nn.ModuleList(
                [nn.Linear(dims, projected_dims)])

    def forward(self, images: Tensor, keep: Tensor, restore: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels of every token, and the output of block ``tap``."""
        x = gathered(self.patch_embed(images) + self.pos_embed[:, 1:], keep)
        x = torch.cat([(self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1), x], 1)
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            if number == self.tap:
                feature = x
        x = self.decoder_embed(self.norm(x))
        hidden = self.mask_token.expand(len(x), restore.shape[1] + 1 - x.shape[1], -1)
        patches = gathered(torch.cat([x[:, 1:], hidden], 1), restore)
        x = torch.cat([x[:, :1], patches], 1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            x = block(x)
        return self.decoder_pred(self.decoder_norm(x))[:, 1:], feature


def gathered(tokens: Tensor, ids: Tensor) -> Tensor:
    return tokens.gather(1, ids[..., None].expand(-1, -1, tokens.shape[-1]))


def dmae_losses(student: ImageAutoencoder, teacher: ImageAutoencoder, images: Tensor,
                keep: Tensor, restore: Tensor) -> dict[str, Tensor]:
    """``loss_rec`` on plain pixels and ``loss_dir``; the teacher runs to its pixels, unused."""
    with torch.no_grad():
        _, wanted = teacher(images, keep, restore)
    prediction, feature = student(images, keep, restore)
    B, C, H, W = images.shape
    patch = student.patch_embed.proj.kernel_size[0]
    target = images.reshape(B, C, H // patch, patch, W // patch, patch)
    target = target.permute(0, 2, 4, 3, 5, 1).reshape(B, -1, patch**2 * C)
    masked = torch.ones(restore.shape, device=images.device).scatter_(1, keep, 0.)
    error = (prediction - target).pow(2).mean(-1)
    projected = student.aligned_feature_projection_heads[0](feature)
    return dict(
        loss_rec=(error * masked).sum() / masked.sum(),
        loss_dir=F.l1_loss(F.normalize(projected, dim=-1), F.normalize(wanted, dim=-1)))


def load_clips(path: str, repeats: int = 4, size: int = 224) -> list[Tensor]:
    """Open a video and return crops (3, 16, size, size) of one clip, float32, normalised."""
    reader = decord.VideoReader(path, num_threads=1)
    frames = reader.get_batch(frame_numbers(len(reader))).asnumpy()
    images = [Image.fromarray(frame).convert('RGB') for frame in frames]
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (MEAN, STD))
    clips = []
    for _ in range(repeats):
        box = crop_box(*images[0].size)
        crops = [image.crop(box).resize((size, size), Image.BILINEAR) for image in images]
        stacked = np.concatenate([np.asarray(crop) for crop in crops], axis=2)
        clip = torch.from_numpy(stacked).permute(2, 0, 1).contiguous().float().div(255)
        clip = clip.view(len(images), 3, size, size).transpose(0, 1)
        clips.append((clip - mean) / std)
    return clips


def frame_numbers(length: int, clip_len: int = 16, stride: int = 4) -> list[int]:
    """Every fourth frame from a random start; past the end the last one again."""
    starts = length - clip_len * stride + 1
    frame, numbers = (random.randrange(starts) if starts > 0 else 0), []
    for _ in range(clip_len):
        numbers.append(frame)
        if frame + 1 + stride < length:
            frame += stride
    return numbers


def crop_box(width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of one of 13 places, sides at one of four scales."""
    sizes = [int(min(width, height) * scale) for scale in (1, .875, .75, .66)]
    w, h = random.choice([(w, h) for i, h in enumerate(sizes) for j, w in enumerate(sizes)
                          if abs(i - j) <= 1])
    column, row = random.choice([
        (0, 0), (4, 0), (0, 4), (4, 4), (2, 2), (0, 2), (4, 2), (2, 4), (2, 0), (1, 1), (3, 1),
        (1, 3), (3, 3)])
    x, y = column * ((width - w) // 4), row * ((height - h) // 4)
    return x, y, x + w, y + h
