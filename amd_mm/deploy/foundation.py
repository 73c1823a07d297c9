"""Encoders that a library builds: DINOv2 and 3, CLIP, SigLIP, V-JEPA 2, timm's."""
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from amd_mm.checkpoints import Checkpoint
from amd_mm.checkpoints.facts import IMAGENET, facts_of
from amd_mm.models.teachers import TimmTeacher, TransformersTeacher
from amd_mm.models.teachers.image_teacher import ImageTeacher
from amd_mm.models.teachers.timm_teacher import build_network

Statistics = tuple[tuple[float, ...], tuple[float, ...]]


class LibraryEncoder(nn.Module):
    """The last features of a library's encoder: class token, if there is one, and patches."""

    def __init__(self, teacher: ImageTeacher) -> None:
        super().__init__()
        self.teacher = teacher

    @property
    def size(self) -> tuple[int, ...]:
        """((T,) H, W) of its input."""
        return self.teacher.grid.input_size

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, [1 +] N, D) after the final norm."""
        return torch.cat(self.teacher.encode(pixels, None)[0], 1)


def library_encoder(checkpoint: Checkpoint, path: str | Path,
                    architecture: str | None) -> tuple[LibraryEncoder, Statistics]:
    """An encoder of timm, if an architecture is named, else of Transformers, and its statistics.

    Raises:
        ValueError: If the library does not know it, or the checkpoint does not fit.
    """
    facts = facts_of(checkpoint)
    said = (facts.mean, facts.std) if facts.mean and facts.std else None
    # Given as it wants them: the graph normalises with its own.
    given: dict[str, Any] = {} if said is None else dict(input_mean=said[0], input_std=said[1])
    if architecture is not None:
        depth = _depth_of_timm(architecture)
        # So matched it sees whole pictures of its own size.
        timm = TimmTeacher(architecture, [depth], str(path), normalize=True, match='interpolate',
                           **given)
        usual = timm.network.pretrained_cfg
        return LibraryEncoder(timm), said or (
            tuple(255 * value for value in usual['mean']),
            tuple(255 * value for value in usual['std']))
    config = checkpoint.config.get('vision_config', checkpoint.config)
    teacher = TransformersTeacher([config['num_hidden_layers']], str(path), normalize=True, **given)
    return LibraryEncoder(teacher), said or IMAGENET


def _depth_of_timm(architecture: str) -> int:
    return len(build_network(architecture, None).blocks)
