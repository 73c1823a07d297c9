"""Some samples of a batch, kept, and as the networks get them."""
import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from amd_mm.inference import evaluating, fixed_keys
from amd_mm.keys import seeded
from amd_mm.models.algorithms import MaskedPretraining
from amd_mm.tokens import TokenMask
from amd_mm.visualization import draw_strip, mask_views


class Samples(NamedTuple):
    """Some samples, as the data loader gave them.

    Attributes:
        inputs: A tensor, a list of samples, or a list of views of all samples.
        data_samples: The hosts'.
    """
    inputs: Any
    data_samples: list[Any]

    def __len__(self) -> int:
        return len(self.data_samples)

    @property
    def keyed(self) -> list[Any]:
        """The data samples; where none has a key, such whose masks stay the same."""
        has_keys = any(sample.get('sample_key') is not None for sample in self.data_samples)
        return self.data_samples if has_keys else list(fixed_keys(len(self)))


def keep_samples(data_batch: dict, count: int) -> Samples:
    """Copy at most ``count`` samples, evenly spaced: neighbours may be repeats of one.

    Args:
        data_batch: As hooks get it: of an update of several batches the inputs of the last.
        count: How many.
    """
    inputs = data_batch['inputs']
    has_views = isinstance(inputs, Sequence) and _count(inputs[0]) is not None and (
        len(inputs) != len(data_batch.get('data_samples') or inputs))
    total = len(inputs[0]) if has_views else len(inputs)
    given = list(data_batch.get('data_samples') or ())[-total:]
    chosen = slice(None, None, -(-total // count))
    # Copies: a slice would hold on to the whole batch.
    if isinstance(inputs, Tensor):
        kept: Any = inputs[chosen].clone()
    elif has_views:
        kept = [view[chosen].clone() for view in inputs]
    else:
        kept = [sample.clone() for sample in inputs[chosen]]
    return Samples(kept, given[chosen] or [BaseDataElement() for _ in range(total)][chosen])


def _count(value: Any) -> int | None:
    """Samples that a view of a batch holds."""
    return len(value) if isinstance(value, Tensor) and value.dim() > 3 else None


def as_network_sees(model: MaskedPretraining, samples: Samples) -> tuple[Tensor, TokenMask]:
    """(B, C, (T,) H, W), normalised, and the masks; views of a sample are samples.

    Args:
        model: Not inside a distributed wrapper.
        samples: Of its data.
    """
    with evaluating(model), torch.no_grad():
        batch = model.data_preprocessor(
            dict(inputs=samples.inputs, data_samples=list(samples.keyed)))
        return model.see(batch['inputs'], batch['data_samples'])


def draw_samples(model: Any, samples: Samples, training: bool = True,
                 max_frames: int = 8) -> bytes:
    """A picture of samples as the network gets them, with the masks in pre-training.

    Args:
        model: Not inside a distributed wrapper.
        samples: Of its data.
        training: Whether they are blended as in training, where they are.
        max_frames: Of a clip.
    """
    if isinstance(model, MaskedPretraining):
        images, mask = as_network_sees(model, samples)
        views = mask_views(unit_scale(model.data_preprocessor, images), mask, model.backbone.grid)
        return jpeg(draw_strip(views, max_frames=max_frames))
    devices = [weight.device for weight in model.parameters()][:1]
    # Training's own preprocessing blends and draws.
    with torch.random.fork_rng([d for d in devices if d.type == 'cuda']), seeded(0), \
            torch.no_grad():
        batch = model.data_preprocessor(
            dict(inputs=samples.inputs, data_samples=copy.deepcopy(list(samples.data_samples))),
            training)
    images = batch['inputs']
    if images.dim() > 5:
        images = images.flatten(0, 1)
    return jpeg(draw_strip({'input': unit_scale(model.data_preprocessor, images)},
                           max_frames=max_frames))


def jpeg(picture: np.ndarray) -> bytes:
    """(H, W, 3) uint8, RGB, encoded."""
    done, content = cv2.imencode('.jpg', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
                                 [cv2.IMWRITE_JPEG_QUALITY, 88])
    assert done, 'OpenCV writes JPEG'
    return content.tobytes()


def unit_scale(preprocessor: Any, images: Tensor) -> Tensor:
    """Normalised pixels in [0, 1]."""
    mean, std = (getattr(preprocessor, name, None) for name in ('mean', 'std'))
    if mean is None or std is None:
        return (images.float() / 255).clamp(0, 1)
    shape = (-1, *(1, ) * (images.dim() - 2))
    return ((images.float() * std.reshape(shape) + mean.reshape(shape)) / 255).clamp(0, 1)
