"""An encoder that sees all of its input: from a config and a checkpoint to features."""
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from amd_mm.checkpoints import load_pretrained
from amd_mm.inference.inputs import Input, batch_of, clip_of
from amd_mm.registry import MODELS
from amd_mm.tokens import split_prefix

POOLS = ('mean', 'cls', 'none')


class FeatureExtractor:
    """The encoder of a pre-training or fine-tuning config; nothing is masked, dropped or trained.

    Args:
        config: Any config of ours whose model has a backbone of ours.
        checkpoint: Of that config, or in any layout that fits its backbone; decoder, neck and
            head are left out, positions of another size are interpolated.
        layer: The block, counted from 1, whose raw output is wanted; None: after the last
            block, with the norm that follows it there (for fine-tuned encoders that pool, the
            one after pooling: what the classifier sees).
        pool: ``'mean'`` of the tokens without the class token; ``'cls'``, the class token;
            ``'none'``, all tokens, class token first; None: what the backbone itself gives, the
            mean for clips.
        device: Where to compute.

    Raises:
        ValueError: If a part is missing, the checkpoint does not fit, a block does not exist, or
            a norm is wanted that the checkpoint does not hold.
    """

    def __init__(self, config: Config, checkpoint: str | Path, layer: int | None = None,
                 pool: str | None = None, device: str | torch.device = 'cpu') -> None:
        parts = _parts(config)
        # With the size, what the settings of an output can be compared by.
        self.description = {name: repr(part) for name, part in parts.items()}
        self.backbone, self.data_preprocessor = map(MODELS.build, parts.values())
        _require_encode(self.backbone)
        self.grid = self.backbone.grid
        has_cls = self.backbone.num_prefix_tokens > 0
        self.pool = pool or ('cls' if has_cls and self.backbone.out_type == 'cls_token' else 'mean')
        self.layer = layer
        self._check(has_cls)
        if layer is not None:
            # Not read, and a student that learned of features alone has none.
            self.backbone.drop_final_norm()
        norms = self._norms()
        for norm in norms:
            # A mark that no checkpoint holds: whatever is not loaded keeps it.
            nn.init.constant_(norm.weight, math.nan)
        load_pretrained(self.backbone, checkpoint)
        if any(norm.weight.isnan().any() for norm in norms):
            raise ValueError(
                f'Checkpoint {checkpoint}: must hold the norm behind the last block and the '
                'pooling, but has none, as it was not trained with this config. Name the config '
                f'that it was trained with, or a block: --layer {self.backbone.depth}')
        if layer is not None:
            # What comes behind is not computed.
            self.backbone.truncate(layer)
        for module in (self.backbone, self.data_preprocessor):
            module.eval().to(device)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input's features: (D,) or (tokens, D)."""
        tokens = self.backbone.num_prefix_tokens + self.grid.num_tokens
        return (self.backbone.embed_dims, ) if self.pool != 'none' else (
            tokens, self.backbone.embed_dims)

    @torch.no_grad()
    def __call__(self, items: Sequence[Input]) -> Tensor:
        """Features of some inputs.

        Args:
            items: As :func:`~amd_mm.inference.read_image` and ``read_clip`` read them, at
                the grid's size.

        Returns:
            (B, D) or (B, tokens, D) float32 on the CPU.
        """
        channels = self.backbone.architecture.channels
        batches = [batch_of(item, self.data_preprocessor, channels) for item in items]
        inputs: Any = [view for batch in batches for view in batch]
        if isinstance(batches[0], Tensor):
            inputs = torch.stack(inputs)
        images = self.data_preprocessor(dict(inputs=inputs, data_samples=None))['inputs']
        # mmaction2 gives every clip a dimension of views.
        images = images.flatten(0, 1) if images.ndim == 6 else images
        every = torch.arange(self.grid.num_tokens, device=images.device).expand(len(images), -1)
        tokens, _ = self.backbone.encode(images, every)
        return self._pooled(tokens).float().cpu()

    def _pooled(self, tokens: Tensor) -> Tensor:
        if self.pool == 'none':
            return tokens
        prefix, patches = split_prefix(tokens, self.backbone.num_prefix_tokens)
        if self.pool == 'cls':
            return prefix[:, 0]
        mean = patches.mean(1)
        norm = self.backbone.pooling_norm if self.layer is None else None
        return mean if norm is None else norm(mean)

    def _norms(self) -> list[Any]:
        """The norms that the wanted features go through, behind the last block."""
        if self.layer is not None:
            return []
        final = self.backbone.final_norm_layer
        pooling = self.backbone.pooling_norm if self.pool == 'mean' else None
        return [norm for norm in (final, pooling) if norm is not None]

    def _check(self, has_cls: bool) -> None:
        depth = self.backbone.depth
        if self.layer is not None and not 1 <= self.layer <= depth:
            raise ValueError(f'--layer must be a block from 1 to {depth}, got {self.layer}')
        if self.pool not in POOLS:
            raise ValueError(f'--pool must be one of {", ".join(POOLS)}, got {self.pool!r}')
        if self.pool == 'cls' and not has_cls:
            raise ValueError('--pool cls needs a class token, which encoders of clips have not: '
                             'take --pool mean')


class WindowFeatures:
    """An extractor of features of videos, window by window: the middle frames of each.

    Args:
        extractor: Of videos.
        frame_interval: From one frame of a clip to the next, at least 1.
    """

    def __init__(self, extractor: FeatureExtractor, frame_interval: int) -> None:
        self.extractor, self.frame_interval = extractor, frame_interval

    @property
    def window_shape(self) -> tuple[int, ...]:
        """Of a window's features."""
        return self.extractor.shape

    def window_length(self, fps: float) -> int:
        """Frames of a window: those of a clip at its interval."""
        return self.extractor.grid.input_size[0] * self.frame_interval

    def prepare(self, frames: Sequence[np.ndarray]) -> Input:
        """A window's frames as the encoder takes them; see :func:`clip_of`."""
        return clip_of(frames, self.extractor.grid.input_size, self.frame_interval)

    def compute(self, samples: Sequence[Input]) -> Tensor:
        """(B, *window_shape) of some windows."""
        return self.extractor(samples)


def _parts(config: Config) -> dict[str, dict]:
    """Backbone and data preprocessor; not the model, which may want a teacher or a data set."""
    model = config.get('model') or {}
    preprocessor = model.get('data_preprocessor') or config.get('data_preprocessor')
    if not model.get('backbone') or not preprocessor:
        raise ValueError(
            'Features need a config whose model has a backbone and a data_preprocessor, got '
            f'{model.get("type")} without: name the config that the checkpoint was trained with.')
    # Blending is for training only. The hosts' classifiers fill in the type where none is said.
    kept = {name: value for name, value in preprocessor.items() if name != 'blending'}
    kept.setdefault('type', 'mmpretrain.ClsDataPreprocessor')
    # The scope that a part gets from its parent when a host builds that.
    scope = {'_scope_': model['_scope_']} if '_scope_' in model else {}
    return dict(backbone={**scope, **model['backbone'], 'init_cfg': None},
                data_preprocessor={**scope, **kept})


def _require_encode(backbone: nn.Module) -> None:
    if not hasattr(backbone, 'encode'):
        raise ValueError(
            'Features need amd_mm.ImageVisionTransformer or amd_mm.VideoVisionTransformer, got '
            f'{type(backbone).__name__}: change the type, the names of all weights are the same '
            '(--cfg-options model.backbone.type=amd_mm.VideoVisionTransformer).')
