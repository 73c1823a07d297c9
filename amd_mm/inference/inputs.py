"""Pictures and clips from files, cut to what a network takes, the same every time."""
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dataset import Compose
from torch import Tensor, nn

from amd_mm.datasets.keyed_dataset import NOT_BAD_DATA


class Input(NamedTuple):
    """A file as the network's input size.

    Attributes:
        pixels: (3, (T,) H, W) uint8, RGB.
        notes: Sentences about what had to be done to the file; usually none.
        fps: Frames a second of a clip as it was sampled; 0 for an image.
    """
    pixels: Tensor
    notes: tuple[str, ...]
    fps: float


def read_image(path: str | Path, size: tuple[int, int]) -> Input:
    """The largest centred part of a picture, read as training reads it.

    A one-channel picture gets three equal channels.

    Args:
        path: Any file that OpenCV decodes.
        size: (H, W) in pixels.

    Raises:
        ValueError: If the file cannot be read.
    """
    height, width = size
    results = _run([
        dict(type='mmpretrain.LoadImageFromFile'),
        dict(type='mmpretrain.ResizeEdge', scale=max(size), interpolation='bicubic'),
        dict(type='mmpretrain.CenterCrop', crop_size=(width, height)),
    ], dict(img_path=str(path)), 'a picture that OpenCV decodes')
    pixels = torch.from_numpy(np.ascontiguousarray(results['img'][..., ::-1])).permute(2, 0, 1)
    gray = bool((pixels == pixels[:1]).all())
    notes = ('it has no colour: three equal channels are used', ) if gray else ()
    return Input(pixels, notes, 0.)


def read_clip(path: str | Path, size: tuple[int, int, int], frame_interval: int = 1) -> Input:
    """The middle frames of a video, the largest centred part of each.

    A video that is too short repeats its last strided frame.

    Args:
        path: Any video that FFmpeg decodes.
        size: (T, H, W), frames and pixels.
        frame_interval: From one frame to the next, at least 1.

    Raises:
        ValueError: If the file cannot be read.
    """
    frames, height, width = size
    results = _run([
        dict(type='amd_mm.PyAVInit'),
        dict(type='mmaction.SampleFrames', clip_len=frames, frame_interval=frame_interval,
             test_mode=True, out_of_bound_opt='repeat_last'),
        dict(type='amd_mm.PyAVDecode'),
        dict(type='mmaction.Resize', scale=(-1, max(height, width))),
        dict(type='mmaction.CenterCrop', crop_size=(width, height)),
    ], dict(filename=str(path), start_index=0), 'a video that FFmpeg decodes')
    span = (frames - 1) * frame_interval + 1
    total = results['total_frames']
    notes = () if total >= span else (
        f'it has {total} frames, {frames} at interval {frame_interval} span {span}: the last one '
        'taken is repeated', )
    pixels = torch.from_numpy(np.stack(results['imgs'])).permute(3, 0, 1, 2)
    return Input(pixels, notes, results['avg_fps'] / frame_interval)


def frame_interval_of(config: Any) -> int:
    """The first ``frame_interval`` in a config of a data loader, whatever samples; else 1."""
    return next((step['frame_interval'] for step in _dicts(config) if 'frame_interval' in step), 1)


def batch_of(item: Input, data_preprocessor: nn.Module) -> Tensor | list[Tensor]:
    """One input as ``data_preprocessor`` takes it, so that the network sees RGB."""
    pixels = item.pixels
    if (getattr(data_preprocessor, '_channel_conversion', False)
            or getattr(data_preprocessor, 'to_rgb', False)):
        pixels = pixels.flip(0)
    # mmaction2 collates to lists of (views, C, T, H, W), mmpretrain's own configs to a tensor.
    return [pixels[None]] if pixels.dim() == 4 else pixels[None]


def _run(pipeline: list[dict], results: dict, rule: str) -> dict:
    transforms = Compose(pipeline)
    try:
        return transforms(results)
    except NOT_BAD_DATA:
        raise
    except Exception as error:  # what a decoder raises differs from one to the other
        path = results.get('filename', results.get('img_path'))
        reason = str(error).strip().partition('\n')[0] or type(error).__name__
        raise ValueError(f'{path}: must be {rule}, got {reason[:200]}') from error


def _dicts(node: Any) -> Iterator[dict]:
    """All dicts in nested dicts and lists, outermost first."""
    if isinstance(node, dict):
        yield node
        node = node.values()
    elif not isinstance(node, (list, tuple)):
        return
    for child in node:
        yield from _dicts(child)
