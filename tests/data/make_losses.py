"""AMD and DMAE restated from their papers at tiny size: where ``losses.npz`` comes from.

    python tests/data/make_losses.py [OUTPUT]

computes every loss and gradient of ``losses.npz`` again, from the inputs and weights in it, says
how far the stored ones are off, and writes the whole to OUTPUT where one is given. Nothing here
comes from the package, so neither can hide a mistake of the other. All is computed in float64,
without an operator that fuses anything, and rounded to float32 at the end: the numbers hang on no
machine. The stored ones were computed in float32 by a first restatement, which was checked
against the authors' released code; they agree to 2e-7 (losses) and 8e-6 of a tensor's largest
value (gradients).

What the file holds. Names of weights are those of released checkpoints; a loss is one number, a
gradient belongs to the sum of its losses.

========================  =========================================================================
``amd.clips``             (2, 3, 8, 32, 32), normalised with ImageNet's mean and deviation
``amd.masked, .extra``    (2, 64) bool, hidden from the student, and of these seen by the teacher
``amd.student.*``         width 24, 4 blocks, 3 heads; decoder width 16, 2 blocks, 2 heads; two
                          generators of 2 blocks, 1 head
``amd.teacher.*``         width 32, 6 blocks, 4 heads
``amd.loss_*``            ``rec``, ``dir`` and ``gen``; aligned blocks 2 and 4 with 3 and 6
``amd.grad.*``            of every parameter of the student
``dmae.images``           (3, 3, 32, 32)
``dmae.ids_keep``         (3, 4), the tokens both networks see
``dmae.ids_restore``      (3, 16), the place of each token in the order drawn, seen ones first
``dmae.masked``           (3, 16), 1 at tokens that are not seen
``dmae.student.*``        width 24, 4 blocks, 3 heads; decoder width 16, 2 blocks, 4 heads
``dmae.teacher.*``        width 32, 8 blocks, 4 heads; only its encoder's first 6 blocks are read
``dmae.norm0.loss_*``     ``rec`` and ``align_2``; block 3 with 6, plain pixels as targets
``dmae.norm0.grad.*``     of every parameter of the student that trains (positions do not)
``dmae.norm1.*``          the same with normalised targets
========================  =========================================================================

Inputs and weights were drawn once: matrices normal, scaled by 1 / sqrt(inputs), those of attention
twice that, norms about 1, biases and tokens large, so that whatever is left out leaves its mark in
some number. Their seed is not known: they are data, and stay as they are.

Shapes: B samples, N = 64 (4 tubelet frames of 4 x 4) or 16 tokens in raster order, V visible to
the student, E extra, M = N - V masked, D channels. Patches are 8 x 8 pixels, of 2 frames in clips.

Papers: AMD, arXiv 2311.03149; DMAE, 2208.12256; MAE, 2111.06377; VideoMAE, 2203.12602;
transformers, 1706.03762; GELU, 1606.08415.
"""
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

STORED = Path(__file__).with_name('losses.npz')
PATCH, TUBELET = 8, 2
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Weights = dict[str, Tensor]


def part(weights: Weights, prefix: str) -> Weights:
    """The weights whose names begin with ``prefix``, without it."""
    return {name[len(prefix):]: w for name, w in weights.items() if name.startswith(prefix)}


# --- Transformers (1706.03762; both papers build on MAE's, with norms before the sublayers) ---


def linear(x: Tensor, weights: Weights) -> Tensor:
    """x W^T + b, without b where there is none."""
    x = x @ weights['weight'].T
    return x + weights['bias'] if 'bias' in weights else x


def layer_norm(x: Tensor, weights: Weights) -> Tensor:
    """(x - mean) / sqrt(variance + 1e-6) over channels, biased variance, then scale and shift."""
    centred = x - x.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return centred / (variance + 1e-6).sqrt() * weights['weight'] + weights['bias']


def gelu(x: Tensor) -> Tensor:
    """x Phi(x), with the normal distribution itself and not its approximation by tanh."""
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def attention(x: Tensor, weights: Weights, heads: int) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V in each head, then the output projection.

    VideoMAE has a bias on queries and values and none on keys; MAE has one on all three.
    """
    queries, keys, values = (x @ weights['qkv.weight'].T).chunk(3, dim=-1)
    if 'q_bias' in weights:
        queries, values = queries + weights['q_bias'], values + weights['v_bias']
    else:
        biases = weights['qkv.bias'].chunk(3)
        queries, keys, values = queries + biases[0], keys + biases[1], values + biases[2]
    width = x.shape[-1] // heads
    out = []
    for head in range(heads):
        q, k, v = (t[..., head * width:(head + 1) * width] for t in (queries, keys, values))
        out.append((q @ k.mT / math.sqrt(width)).softmax(-1) @ v)
    return linear(torch.cat(out, dim=-1), part(weights, 'proj.'))


def block(x: Tensor, weights: Weights, heads: int) -> Tensor:
    """x + attention(norm(x)), then the same with the two-layer network."""
    x = x + attention(layer_norm(x, part(weights, 'norm1.')), part(weights, 'attn.'), heads)
    hidden = gelu(linear(layer_norm(x, part(weights, 'norm2.')), part(weights, 'mlp.fc1.')))
    return x + linear(hidden, part(weights, 'mlp.fc2.'))


def block_outputs(x: Tensor, weights: Weights, heads: int, depth: int) -> list[Tensor]:
    """The input and the outputs of ``depth`` blocks: entry i belongs to block i, counted from 1."""
    outputs = [x]
    for number in range(depth):
        outputs.append(block(outputs[-1], part(weights, f'{number}.'), heads))
    return outputs


# --- Tokens ---


def tokens_of(pixels: Tensor) -> Tensor:
    """Images (B, C, H, W) or clips (B, C, T, H, W) to tokens (B, N, C, pixels of a token).

    Tokens are in raster order ((frame,) row, column), and so are the pixels inside one.
    """
    if pixels.ndim == 4:
        pixels = pixels.unflatten(2, (-1, PATCH)).unflatten(4, (-1, PATCH))
        return pixels.permute(0, 2, 4, 1, 3, 5).flatten(4).flatten(1, 2)
    pixels = pixels.unflatten(2, (-1, TUBELET)).unflatten(4, (-1, PATCH)).unflatten(6, (-1, PATCH))
    return pixels.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(5).flatten(1, 3)


def embed(pixels: Tensor, weights: Weights) -> Tensor:
    """Tokens to D channels: what a convolution with stride = kernel is (MAE, section 3)."""
    return tokens_of(pixels).flatten(2) @ weights['weight'].flatten(1).T + weights['bias']


def sinusoid(length: int, width: int) -> Tensor:
    """(N, D): sine at even columns c, cosine at odd ones, of n / 10000^(2 floor(c / 2) / D)."""
    place = torch.arange(length, dtype=torch.float64)[:, None]
    column = torch.arange(width)
    angle = place / 10000**(2 * (column // 2) / width)
    # The released table is made in float64 and kept in float32.
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float().double()


def at(x: Tensor, ids: Tensor) -> Tensor:
    """Rows ``ids`` (B, K) of x (B, N, D), or of a table (N, D) that all samples share."""
    return torch.stack([x[i] if x.ndim == 2 else x[b, i] for b, i in enumerate(ids)])


def places(chosen: Tensor) -> Tensor:
    """(B, N) bool with as many in each row, to (B, K) ascending indices."""
    return torch.stack([row.nonzero().flatten() for row in chosen])


# --- AMD on VideoMAE ---


def videomae_targets(clips: Tensor) -> Tensor:
    """(B, N, values): a token's pixels, normalised a channel at a time (VideoMAE, section 3.3).

    On the 0-1 scale, by the token's own mean and unbiased deviation, to which 1e-6 is added;
    values are ordered frame, row, column, channel.
    """
    mean, std = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1, 1)
                 for values in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = tokens_of(clips * std + mean)
    centred = pixels - pixels.mean(-1, keepdim=True)
    return (centred / (pixels.std(-1, keepdim=True) + 1e-6)).mT.flatten(2)


def videomae_encoder(clips: Tensor, seen: Tensor, weights: Weights, heads: int,
                     depth: int) -> list[Tensor]:
    """Block outputs (B, K, D) for the tokens ``seen`` (B, K), as in :func:`block_outputs`."""
    x = embed(clips, part(weights, 'patch_embed.proj.'))
    x = x + sinusoid(*x.shape[1:])
    return block_outputs(at(x, seen), part(weights, 'blocks.'), heads, depth)


def predict(seen: Tensor, seen_ids: Tensor, mask_token: Tensor, wanted_ids: Tensor, length: int,
            weights: Weights, heads: int) -> Tensor:
    """Two blocks over seen tokens and mask tokens, all with positions; the mask tokens' outputs."""
    table = sinusoid(length, seen.shape[-1])
    x = torch.cat([seen + at(table, seen_ids), mask_token + at(table, wanted_ids)], dim=1)
    return block_outputs(x, weights, heads, depth=2)[-1][:, seen.shape[1]:]


def amd_losses(clips: Tensor, masked: Tensor, extra: Tensor, student: Weights,
               teacher: Weights) -> dict[str, Tensor]:
    """The three losses of AMD (sections 3.2-3.4), as released: weights 1, raw features.

    With phi_i the bias-free projection of pair i, z a student's feature, t the teacher's, V and E
    the visible and the extra tokens, G_i the generator and m_i its mask token:

    - ``loss_rec``: mean over masked tokens of (prediction - target)^2 (VideoMAE's);
    - ``loss_dir``: 1/2 sum over pairs i of mean over V of (phi_i(z_i) - t_i)^2;
    - ``loss_gen``: 1/2 sum over pairs i of mean over E of (G_i(phi_i(z_i), m_i) - t_i)^2.

    The paper's equations sum over the pairs; the released code averages, and so do we.
    """
    visible_ids, extra_ids, masked_ids = places(~masked), places(extra), places(masked)
    num_visible = visible_ids.shape[1]
    teacher_features = videomae_encoder(
        clips, torch.cat([visible_ids, extra_ids], dim=1), teacher, heads=4, depth=6)
    encoder = part(student, 'encoder.')
    features = videomae_encoder(clips, visible_ids, encoder, heads=3, depth=4)
    direct, generation = [], []
    for pair, (mine, theirs) in enumerate([(2, 3), (4, 6)]):
        projected = linear(features[mine], part(encoder, f'projection_heads.{pair}.'))
        generated = predict(
            projected, visible_ids, student[f'generator_mask_tokens.{pair}'], extra_ids,
            masked.shape[1], part(student, f'generators.{pair}.blocks.'), heads=1)
        wanted = teacher_features[theirs]
        direct.append((projected - wanted[:, :num_visible]).square().mean())
        generation.append((generated - wanted[:, num_visible:]).square().mean())
    latent = layer_norm(features[-1], part(encoder, 'norm.'))
    decoder = part(student, 'decoder.')
    x = predict(
        linear(latent, part(student, 'encoder_to_decoder.')), visible_ids, student['mask_token'],
        masked_ids, masked.shape[1], part(decoder, 'blocks.'), heads=2)
    pixels = linear(layer_norm(x, part(decoder, 'norm.')), part(decoder, 'head.'))
    target = at(videomae_targets(clips), masked_ids)
    return dict(loss_rec=(pixels - target).square().mean(),
                loss_dir=sum(direct) / 2,
                loss_gen=sum(generation) / 2)


# --- DMAE on MAE ---


def mae_targets(images: Tensor, normalise: bool) -> Tensor:
    """(B, N, values): a token's pixels, ordered row, column, channel (MAE, section 3).

    Normalised: by mean and unbiased variance of all its values together, on images as the network
    sees them, 1e-6 added to the variance.
    """
    target = tokens_of(images).mT.flatten(2)
    if not normalise:
        return target
    centred = target - target.mean(-1, keepdim=True)
    return centred / (target.var(-1, keepdim=True) + 1e-6).sqrt()


def mae_encoder(images: Tensor, seen: Tensor, weights: Weights, heads: int,
                depth: int) -> list[Tensor]:
    """Block outputs (B, 1 + K, D), the class token first, as in :func:`block_outputs`."""
    positions = weights['pos_embed'][0]
    x = at(embed(images, part(weights, 'patch_embed.proj.')) + positions[1:], seen)
    cls_token = (weights['cls_token'] + positions[:1]).expand(len(x), -1, -1)
    return block_outputs(torch.cat([cls_token, x], dim=1), part(weights, 'blocks.'), heads, depth)


def mae_decoder(latent: Tensor, restore: Tensor, weights: Weights) -> Tensor:
    """Pixels of all tokens (B, N, values): mask tokens go where nothing was seen."""
    x = linear(latent, part(weights, 'decoder_embed.'))
    num_hidden = restore.shape[1] + 1 - x.shape[1]
    drawn = torch.cat([x[:, 1:], weights['mask_token'].expand(len(x), num_hidden, -1)], dim=1)
    x = torch.cat([x[:, :1], at(drawn, restore)], dim=1) + weights['decoder_pos_embed']
    x = block_outputs(x, part(weights, 'decoder_blocks.'), heads=4, depth=2)[-1]
    x = layer_norm(x, part(weights, 'decoder_norm.'))
    return linear(x, part(weights, 'decoder_pred.'))[:, 1:]


def unit(x: Tensor) -> Tensor:
    """Scaled to length 1 over channels."""
    return x / x.square().sum(-1, keepdim=True).sqrt()


def dmae_losses(images: Tensor, keep: Tensor, restore: Tensor, masked: Tensor, student: Weights,
                teacher: Weights, normalise: bool) -> dict[str, Tensor]:
    """The two losses of DMAE (section 3.2), as released.

    - ``loss_rec``: mean over masked tokens of (prediction - target)^2 (MAE's);
    - ``loss_align_2``: mean of |phi(z) / ||phi(z)|| - t / ||t|||, over the visible tokens and the
      class token, with phi the projection of the student's block 3 (2 counted from 0).
    """
    wanted = mae_encoder(images, keep, teacher, heads=4, depth=6)[6]
    features = mae_encoder(images, keep, student, heads=3, depth=4)
    latent = layer_norm(features[-1], part(student, 'norm.'))
    error = mae_decoder(latent, restore, student) - mae_targets(images, normalise)
    projected = linear(features[3], part(student, 'aligned_feature_projection_heads.0.'))
    return dict(loss_rec=(error.square().mean(-1) * masked).sum() / masked.sum(),
                loss_align_2=(unit(projected) - unit(wanted)).abs().mean())


# --- The file ---


def with_gradients(losses: Callable[[Weights], dict[str, Tensor]],
                   student: Weights) -> dict[str, Tensor]:
    """Losses, and under ``grad.*`` the gradient of their sum for each weight that trains."""
    trained = {name: w.requires_grad_() for name, w in student.items() if 'pos_embed' not in name}
    values = losses({**student, **trained})
    gradients = torch.autograd.grad(sum(values.values()), list(trained.values()))
    named = {f'grad.{name}': g for name, g in zip(trained, gradients, strict=True)}
    return {name: value.detach().float() for name, value in {**values, **named}.items()}


def make(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All losses and gradients, from the inputs and weights among ``stored``."""
    values = {name: torch.from_numpy(array.copy()) for name, array in stored.items()}
    values = {name: v.double() if v.is_floating_point() else v for name, v in values.items()}
    amd, dmae = part(values, 'amd.'), part(values, 'dmae.')
    made = {'amd.': with_gradients(
        lambda student: amd_losses(
            amd['clips'], amd['masked'], amd['extra'], student, part(amd, 'teacher.')),
        part(amd, 'student.'))}
    for name, normalise in (('dmae.norm0.', False), ('dmae.norm1.', True)):
        made[name] = with_gradients(
            lambda student, normalise=normalise: dmae_losses(
                dmae['images'], dmae['ids_keep'], dmae['ids_restore'], dmae['masked'], student,
                part(dmae, 'teacher.'), normalise),
            part(dmae, 'student.'))
    return {prefix + name: v.numpy() for prefix, numbers in made.items()
            for name, v in numbers.items()}


def read(path: Path = STORED) -> dict[str, np.ndarray]:
    """Everything in the file."""
    with np.load(path) as archive:
        return dict(archive)


def deviations(made: dict[str, np.ndarray],
               stored: dict[str, np.ndarray]) -> tuple[float, float]:
    """Largest relative error of a loss, and of a gradient over its tensor's largest value."""
    error = {name: float(np.abs(value - stored[name]).max() / np.abs(stored[name]).max())
             for name, value in made.items()}
    return (max(e for name, e in error.items() if 'loss_' in name),
            max(e for name, e in error.items() if 'grad.' in name))


def main(output: str | None = None) -> None:
    stored = read()
    made = make(stored)
    loss, gradient = deviations(made, stored)
    print(f'{len(made)} numbers and tensors; the stored losses are within {loss:.1e}, the stored '
          f'gradients within {gradient:.1e} of their largest values')
    if output:
        np.savez_compressed(output, **{**stored, **made})


if __name__ == '__main__':
    main(*sys.argv[1:])
