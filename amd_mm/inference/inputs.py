"""Pictures and clips from files, cut to what a network takes, the same every time."""
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from mmcv.image import rescale_size
from mmengine.dataset import Compose
from torch import Tensor, nn

from amd_mm.inference.files import reading


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

    A picture without colour gets three equal channels.

    Args:
        path: A file, as :class:`amd_mm.LoadPicture` takes it.
        size: (H, W) in pixels.

    Raises:
        ValueError: If the file cannot be read.
    """
    results = _run([dict(type='amd_mm.LoadPicture')], dict(img_path=str(path)), 'a picture')
    return fit_picture(results['img'][..., ::-1], size)


def fit_picture(picture: np.ndarray, size: tuple[int, int]) -> Input:
    """What :func:`read_image` makes of a file, of a picture in memory.

    Args:
        picture: (H, W, 3) uint8, RGB.
        size: (H, W) in pixels.
    """
    height, width = size
    is_narrow = width / picture.shape[1] > height / picture.shape[0]
    results = Compose([
        dict(type='mmpretrain.ResizeEdge', edge='width' if is_narrow else 'height',
             scale=width if is_narrow else height, interpolation='bicubic'),
        dict(type='mmpretrain.CenterCrop', crop_size=(width, height)),
    ])(dict(img=np.ascontiguousarray(picture[..., ::-1]), img_shape=picture.shape[:2]))
    pixels = torch.from_numpy(np.ascontiguousarray(results['img'][..., ::-1])).permute(2, 0, 1)
    gray = bool((pixels == pixels[:1]).all())
    notes = ('it has no colour: its channels are equal', ) if gray else ()
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
    rule = 'a video that FFmpeg decodes'
    results = _run([
        dict(type='amd_mm.PyAVInit'), _middle(size, frame_interval),
        dict(type='amd_mm.PyAVDecode'),
    ], dict(filename=str(path), start_index=0), rule)
    return _clip(results, size, results['avg_fps'])


def clip_of(frames: Sequence[np.ndarray], size: tuple[int, int, int], frame_interval: int = 1,
            fps: float = 0.) -> Input:
    """What :func:`read_clip` makes of a file, of frames in memory.

    Args:
        frames: (H, W, 3) uint8, RGB. Only those that are taken are looked at.
        size: (T, H, W), frames and pixels.
        frame_interval: From one frame to the next, at least 1.
        fps: Frames a second; 0 where it does not matter.
    """
    results = Compose([_middle(size, frame_interval), dict(type='mmaction.ArrayDecode')])(dict(
        array=frames, total_frames=len(frames), start_index=0, modality='RGB'))
    return _clip(results, size, fps)


def _middle(size: tuple[int, int, int], frame_interval: int) -> dict:
    return dict(type='mmaction.SampleFrames', clip_len=size[0], frame_interval=frame_interval,
                test_mode=True, out_of_bound_opt='repeat_last')


def _clip(results: dict, size: tuple[int, int, int], fps: float) -> Input:
    """The taken frames in ``imgs``, resized and cut."""
    frames, height, width = size
    interval, total = results['frame_interval'], results['total_frames']
    rows, columns = results['imgs'][0].shape[:2]
    covering = rescale_size((columns, rows), max(height / rows, width / columns))
    results = Compose([
        dict(type='mmaction.Resize', scale=covering, keep_ratio=False),
        dict(type='mmaction.CenterCrop', crop_size=(width, height)),
    ])(results)
    span = (frames - 1) * interval + 1
    notes = () if total >= span else (
        f'it has {total} frames, {frames} at interval {interval} span {span}: the last one '
        'taken is repeated', )
    pixels = torch.from_numpy(np.stack(results['imgs'])).permute(3, 0, 1, 2)
    return Input(pixels, notes, fps / interval)


def frame_interval_of(config: Any) -> int:
    """The first ``frame_interval`` in a config of a data loader, whatever samples; else 1."""
    return next((step['frame_interval'] for step in _dicts(config) if 'frame_interval' in step), 1)


def batch_of(item: Input, data_preprocessor: nn.Module,
             channels: int = 3) -> Tensor | list[Tensor]:
    """One input as ``data_preprocessor`` takes it, so that the network sees RGB.

    Args:
        item: The input.
        data_preprocessor: Of the model.
        channels: Those the network takes: 3, or 1 for OpenCV's gray.

    Raises:
        ValueError: For another number of channels.
    """
    if channels not in (1, 3):
        raise ValueError(
            f'Files are read for networks of 1 or 3 input channels, got in_channels={channels}')
    pixels = item.pixels if channels == 3 else _gray(item.pixels)
    if (getattr(data_preprocessor, '_channel_conversion', False)
            or getattr(data_preprocessor, 'to_rgb', False)):
        pixels = pixels.flip(0)
    # mmaction2 collates to lists of (views, C, T, H, W), mmpretrain's own configs to a tensor.
    return [pixels[None]] if pixels.dim() == 4 else pixels[None]


def _gray(pixels: Tensor) -> Tensor:
    """(3, (T,) H, W) uint8 RGB to (1, (T,) H, W)."""
    *size, width = pixels.shape[1:]
    rows = pixels.movedim(0, -1).reshape(-1, width, 3).numpy()
    gray = torch.from_numpy(cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY))
    return gray.reshape(1, *size, width)


def _run(pipeline: list[dict], results: dict, rule: str) -> dict:
    with reading(results['filename' if 'filename' in results else 'img_path'], rule):
        return Compose(pipeline)(results)


def _dicts(node: Any) -> Iterator[dict]:
    """All dicts in nested dicts and lists, outermost first."""
    if isinstance(node, dict):
        yield node
        node = node.values()
    elif not isinstance(node, (list, tuple)):
        return
    for child in node:
        yield from _dicts(child)
