"""Patch features as colours: where they agree, colours do."""
from collections.abc import Sequence

import torch
from torch import Tensor

from amd_mm.report.gathering.features import Features
from amd_mm.tokens import TokenGrid


def colour_views(features: Features, grid: TokenGrid,
                 chosen: Sequence[int]) -> dict[str, Tensor]:
    """Pictures of the deepest features of the student and each teacher.

    The three directions in which the features of a network differ most are red, green and blue.
    The student's are turned so that they come closest to its first teacher's.

    Args:
        features: Of some inputs, all of which have a say in the directions.
        grid: Their tokens.
        chosen: Places of those that are shown.

    Returns:
        (chosen, 3, (T,) H, W) in [0, 1] by label, a patch in one colour.
    """
    last = max(features.student)
    found = {f'student, block {last}': main_directions(features.student[last].flatten(0, 1))}
    for name, pairs in features.teachers.items():
        pair = max(pairs, key=lambda blocks: blocks[1])
        found[f'teacher {name}'.strip() + f', block {pair[1]}'] = main_directions(
            pairs[pair].flatten(0, 1))
    labels = list(found)
    if len(labels) > 1:
        found[labels[0]] = turned(found[labels[0]], found[labels[1]])
    return {label: _painted(values.unflatten(0, (-1, grid.num_tokens))[list(chosen)], grid)
            for label, values in found.items()}


def main_directions(features: Tensor) -> Tensor:
    """(n, D) to the three principal components, (n, 3), the same sign every time."""
    centred = features - features.mean(0)
    _, vectors = torch.linalg.eigh((centred.T @ centred).double())
    main = vectors[:, -3:].flip(1).to(features)
    signs = main.gather(0, main.abs().argmax(0, keepdim=True)).sign()
    return centred @ (main * signs)


def turned(values: Tensor, towards: Tensor) -> Tensor:
    """Values (n, 3), turned and mirrored so that they come closest to others."""
    left, _, right = torch.linalg.svd(values.T @ towards)
    return values @ left @ right


def _painted(values: Tensor, grid: TokenGrid) -> Tensor:
    """(B, N, 3) to pictures; the middle 96 percent of each colour fill [0, 1]."""
    low, high = (torch.quantile(values.flatten(0, 1)[:100_000], share, dim=0)
                 for share in (.02, .98))
    shown = ((values - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
    shown = shown.unflatten(1, grid.size).movedim(-1, 1)
    for axis, repeats in enumerate(grid.patch, start=2):
        shown = shown.repeat_interleave(repeats, axis)
    return shown
