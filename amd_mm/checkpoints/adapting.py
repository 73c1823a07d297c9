"""Fitting a pre-trained encoder to other frame counts, image sizes and tubelets."""
from dataclasses import replace
from pathlib import Path

import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor

from amd_mm.checkpoints.architecture import Architecture, computed_positions, with_usual_size
from amd_mm.positions import resize_positions


def resize_tubelet(weight: Tensor, tubelet: int) -> Tensor:
    """Spread the patch embedding of clips over another number of frames.

    Interpolated linearly in time and scaled so that the sum over time stays as it is: a clip
    without motion is embedded as before. (Ours; no paper of the family says how.)

    Args:
        weight: (D, C, t, p, p).
        tubelet: T', frames of a token, at least 1.

    Returns:
        (D, C, t', p, p) of the same type.
    """
    dims, channels, frames, *patch = weight.shape
    wide = weight.double().permute(0, 1, 3, 4, 2).reshape(1, -1, frames)
    wide = F.interpolate(wide, size=tubelet, mode='linear', align_corners=False)
    wide = wide.reshape(dims, channels, *patch, tubelet).permute(0, 1, 4, 2, 3) * frames / tubelet
    before = weight.double().sum(2, keepdim=True)
    return (wide + (before - wide.sum(2, keepdim=True)) / tubelet).to(weight.dtype)


def adapt_to_grid(weights: dict[str, Tensor], file: Architecture, model: Architecture,
                  path: Path) -> Architecture:
    """Fit canonical weights to the model's tokens, in place; say so in the log.

    Positions are interpolated in time and space, and the patch embedding of clips in time.
    A file without positions that does not say its frames and size either is left alone: the
    model then computes its own table, as the released fine-tuning does.

    Args:
        weights: Canonical names to tensors.
        file: What the weights were made for.
        model: What they are to fit; of the same modality.
        path: For messages.

    Returns:
        The architecture of the weights afterwards.

    Raises:
        ValueError: If positions have to be interpolated and the file does not tell their grid.
    """
    if file.tubelet != model.tubelet:
        weights['encoder.patch.weight'] = resize_tubelet(
            weights['encoder.patch.weight'], model.tubelet)
        print_log(f'{path}: patch embedding interpolated from tubelets of {file.tubelet} to '
                  f'{model.tubelet} frames', 'current')
    table = weights.get('encoder.pos_embed')
    unsaid = table is None and file.grid is None
    as_wanted = file.grid in (None, model.grid) and file.num_positions in (
        None, model.num_positions)
    if model.grid is not None and not unsaid and not as_wanted:
        file = with_usual_size(file)
        prefix = int(model.class_token)
        if table is None:
            table = computed_positions(file)
        weights['encoder.pos_embed'] = resize_positions(table, file.known_grid, model.grid, prefix)
        print_log(f'{path}: positions interpolated from {input_text(file)} to '
                  f'{input_text(model)}', 'current')
        file = replace(file, image_size=model.image_size, num_frames=model.num_frames,
                       num_positions=model.num_positions, positions=None)
    return replace(file, tubelet=model.tubelet)


def input_text(net: Architecture) -> str:
    """The input of a network, as ``'16 frames of 224 x 224 pixels'``."""
    frames = '' if net.modality == 'image' else f'{net.num_frames} frames of '
    rows, columns = net.image_size or ('?', '?')
    return f'{frames}{rows} x {columns} pixels'
