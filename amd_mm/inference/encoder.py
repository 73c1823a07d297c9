"""An encoder out of its file alone: a module that gives features of files, arrays and tensors."""
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from amd_mm.checkpoints import Architecture, read_checkpoint
from amd_mm.checkpoints.architecture import heads_of, with_usual_size
from amd_mm.checkpoints.facts import IMAGENET
from amd_mm.export.zoo import identify
from amd_mm.inference.feature_extractor import FeatureExtractor
from amd_mm.inference.inputs import Input, clip_of, fit_picture, read_clip, read_image

__all__ = ['LoadedEncoder', 'load_encoder']

# Behind the last block, and behind the pooling.
_NORMS = ('encoder.norm.weight', 'encoder.fc_norm.weight')
Sample = str | Path | np.ndarray | Tensor


class LoadedEncoder(nn.Module):
    """An encoder that sees all of its input, of pictures or of clips.

    Attributes:
        extractor: Network, preprocessing and pooling.
        frame_interval: From one frame of a video file to the next.
    """

    def __init__(self, extractor: FeatureExtractor, frame_interval: int) -> None:
        super().__init__()
        self.extractor, self.frame_interval = extractor, frame_interval
        # Where torch looks for weights, to move and to count them.
        self.backbone, self.data_preprocessor = extractor.backbone, extractor.data_preprocessor

    def features(self, x: Sample | Sequence[Sample]) -> Tensor:
        """Features, without a gradient; resized and cut in the middle to the network's input.

        Args:
            x: A path of a picture or a video; an array or tensor, RGB, of a picture
                (H, W, 3) or (3, H, W), a clip (T, H, W, 3) or (3, T, H, W), or a batch of these
                with one dimension more in front; or a list of all that, each one sample. Values
                are 0-255 as uint8, or 0-1 as floats. A clip of more frames than the network takes
                gives its middle ones, one of fewer repeats its last.

        Returns:
            (D,) or (tokens, D) of one sample, (B, D) or (B, tokens, D) of a batch or a list; on
            the CPU.

        Raises:
            ValueError: For a file that cannot be read, or an array that is none of these.
        """
        if not isinstance(x, (str, Path, np.ndarray, Tensor)):
            if not isinstance(x, Sequence):
                raise _wrong_type(x)
            if not x:
                raise ValueError('features need at least one sample, got an empty list')
            return self.extractor([self._sample(item) for item in x])
        if isinstance(x, (str, Path)):
            return self.extractor([self._sample(x)])[0]
        array = _pixels(x)
        single = 3 + self.extractor.grid.is_video
        if array.ndim == single + 1:
            return self.extractor([self._of_array(item) for item in array])
        return self.extractor([self._of_array(array)])[0]

    def forward(self, x: Sample | Sequence[Sample]) -> Tensor:
        """As :meth:`features`."""
        return self.features(x)

    def _sample(self, x: Sample) -> Input:
        grid = self.extractor.grid
        if not isinstance(x, (str, Path)):
            return self._of_array(_pixels(x))
        return (read_clip(x, grid.input_size, self.frame_interval) if grid.is_video
                else read_image(x, grid.input_size))

    def _of_array(self, array: np.ndarray) -> Input:
        """One sample of uint8."""
        is_video, size = self.extractor.grid.is_video, self.extractor.grid.input_size
        name = 'T, H, W' if is_video else 'H, W'
        if array.ndim != 3 + is_video or 3 not in (array.shape[0], array.shape[-1]):
            raise ValueError(
                f'an input must be ({name}, 3) or (3, {name}), with one dimension more in front '
                f'for a batch, as the encoder is one of {"clips" if is_video else "pictures"}; '
                f'got {array.shape}')
        if array.shape[-1] != 3:
            array = np.moveaxis(array, 0, -1)
        return clip_of(list(array), size) if is_video else fit_picture(array, size)


def load_encoder(file: str | Path, *, layer: int | None = None, pool: str | None = None,
                 size: int | None = None, frames: int | None = None, frame_interval: int = 1,
                 device: str | torch.device = 'cpu') -> LoadedEncoder:
    """Load an encoder from its file alone, whatever its layout.

    Args:
        file: What pre-training or fine-tuning wrote, or a file or folder of any layout of
            docs/checkpoints.md.
        layer: As of :class:`FeatureExtractor`, and so ``pool``; of a file that holds no norm
            behind its last block, that block.
        pool: ``'mean'``, ``'cls'``, ``'none'`` or None.
        size: Pixels of a side of the input; None: as the file says, else 224.
        frames: Of a clip; None: as the file says, else 16.
        frame_interval: From one frame of a video file to the next.
        device: Where to compute.

    Raises:
        ValueError: If the file cannot be read, or is no encoder of ours.
    """
    checkpoint = read_checkpoint(file)
    match, net = identify(checkpoint)
    held = frozenset(match.sources)
    if layer is None and held.isdisjoint(_NORMS):
        layer = net.depth
    config = _config(with_usual_size(net), size, frames, held)
    return LoadedEncoder(FeatureExtractor(config, file, layer, pool, device), frame_interval)


def _config(net: Architecture, size: int | None, frames: int | None,
            held: Collection[str]) -> Config:
    """As a recipe would say it; ``held`` are the canonical names of what the file holds."""
    mean, std = net.mean or IMAGENET[0], net.std or IMAGENET[1]
    statistics = dict(mean=list(mean), std=list(std))
    assert net.image_size is not None and net.num_frames is not None
    common: dict[str, Any] = dict(
        img_size=size or net.image_size, patch_size=net.patch, in_channels=net.channels)
    if net.norm_eps is not None:
        common['norm_cfg'] = dict(type='LN', eps=net.norm_eps)
    if net.modality == 'video':
        backbone: dict[str, Any] = dict(
            type='amd_mm.VideoVisionTransformer', embed_dims=net.width, depth=net.depth,
            num_heads=heads_of(net), mlp_ratio=net.mlp_width / net.width,
            num_frames=frames or net.num_frames, tubelet_size=net.tubelet,
            use_mean_pooling=_NORMS[1] in held, **common)
        preprocessor: dict[str, Any] = dict(
            type='mmaction.ActionDataPreprocessor', format_shape='NCTHW', **statistics)
    else:
        if frames is not None:
            raise ValueError(f'frames must be of an encoder of clips, got {frames} for one of '
                             'pictures; leave it out')
        arch = dict(embed_dims=net.width, num_layers=net.depth, num_heads=heads_of(net),
                    feedforward_channels=net.mlp_width)
        backbone = dict(
            type='amd_mm.ImageVisionTransformer', arch=arch,
            fixed_positions='encoder.pos_embed' not in held,
            out_type='avg_featmap' if _NORMS[1] in held else 'cls_token',
            final_norm=_NORMS[0] in held, **common)
        preprocessor = dict(
            type='mmengine.ImgDataPreprocessor', bgr_to_rgb=True, **statistics)
    return Config(dict(model=dict(backbone=backbone, data_preprocessor=preprocessor)))


def _pixels(x: np.ndarray | Tensor) -> np.ndarray:
    """Values 0-255 as uint8.

    Raises:
        ValueError: For another type, or values out of range.
    """
    if isinstance(x, Tensor):
        x = x.detach().cpu().float().numpy() if x.is_floating_point() else x.cpu().numpy()
    if not isinstance(x, np.ndarray):
        raise _wrong_type(x)
    if x.dtype == np.uint8:
        return x
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f'an input must be uint8 (0-255) or floats (0-1), got {x.dtype}; convert '
                         'it')
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(f'floats of an input must be from 0 to 1, got {x.min():g} to '
                         f'{x.max():g}; give pixels that are not normalised, or 0-255 as uint8')
    return np.round(x * 255).astype(np.uint8)


def _wrong_type(x: object) -> ValueError:
    return ValueError('an input must be a path, an array, a tensor or a list of them, got '
                      f'{type(x).__name__}')
