"""Features of all tokens, of a student and its teachers, side by side."""
from typing import Any, NamedTuple

import torch
from torch import Tensor

from amd_mm.inference import evaluating
from amd_mm.models.algorithms import MaskedPretraining
from amd_mm.tokens import split_prefix


class Features(NamedTuple):
    """Patch features of images of which nothing is masked, float32, on the CPU.

    Attributes:
        student: (B, N, D) raw outputs of blocks, by number: those that learn of a teacher, and
            the last.
        teachers: (B, N, D) of each teacher by name (empty of the only one), by pairs of the
            student's block and the teacher's.
    """
    student: dict[int, Tensor]
    teachers: dict[str, dict[tuple[int, int], Tensor]]


@torch.no_grad()
def read_features(model: MaskedPretraining, images: Tensor) -> Features:
    """Read both networks once.

    Args:
        model: Not inside a distributed wrapper, its teachers not in pieces.
        images: (B, C, (T,) H, W), normalised.
    """
    backbone = model.backbone
    every = torch.arange(backbone.grid.num_tokens, device=images.device).expand(len(images), -1)
    lessons = getattr(model, 'lessons', ())
    taps = sorted({backbone.depth, *(tap for lesson in lessons for tap in lesson.taps)})
    with evaluating(model):
        _, found = backbone.encode(images, every, taps)
        student = {tap: _patches(features, backbone) for tap, features
                   in zip(taps, found, strict=True)}
        teachers = {
            lesson.name: {
                pair: _patches(features, lesson.teacher) for pair, features in zip(
                    zip(lesson.taps, lesson.teacher.taps, strict=True),
                    lesson.teacher(images, every), strict=True)}
            for lesson in lessons}
    return Features(student, teachers)


def _patches(features: Tensor, network: Any) -> Tensor:
    return split_prefix(features, network.num_prefix_tokens)[1].float().cpu()
