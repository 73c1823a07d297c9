"""What each pair of taps loses, and how large the features are that are compared."""
from typing import Any

import torch
from torch import Tensor

from amd_mm.inference import evaluating
from amd_mm.models.algorithms import AMD, MaskedPretraining
from amd_mm.tokens import TokenMask


@torch.no_grad()
def compare_taps(model: MaskedPretraining, images: Tensor,
                 mask: TokenMask) -> dict[str, dict[str, float]]:
    """Losses by pair of taps, and the size of a teacher's features.

    Args:
        model: Not inside a distributed wrapper, its teachers not in pieces.
        images: (B, C, (T,) H, W), normalised.
        mask: Of them.

    Returns:
        ``losses``, by loss and pair; ``scale``: root mean square of a teacher's features, by tap.
    """
    found: dict[str, dict[str, float]] = dict(losses={}, scale={})
    if not isinstance(model, AMD):
        return found
    with evaluating(model):
        targets, student = model.read_taps(images, mask)
        for lesson, target, seen in zip(
                model.lessons, targets, model.teacher_masks(mask), strict=True):
            features = [student[lesson.neck.reads][tap] for tap in lesson.taps]
            losses = lesson.neck.pair_losses(features, target, seen)
            for name, pairs in losses.items():
                for place, loss in pairs.items():
                    blocks = f'{lesson.taps[place]} and {lesson.teacher.taps[place]}'
                    found['losses'][f'{lesson.key(name)}, {blocks}'] = float(loss)
            if lesson.neck.reads == 'features':
                for tap, values in zip(lesson.teacher.taps, target, strict=True):
                    label = f'teacher {lesson.name}'.strip() + f', block {tap}'
                    found['scale'][label] = float(values.float().square().mean().sqrt())
    return found


def takes_raw_features(model: Any) -> bool:
    """Whether a loss has the scale of a teacher's features."""
    return any(lesson.neck.takes_raw_features for lesson in getattr(model, 'lessons', ()))
