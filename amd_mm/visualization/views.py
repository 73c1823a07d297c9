"""What is shown of a reconstruction: the input, who sees what of it, and the prediction.

Shapes: B samples, C channels, (T frames,) H rows, W columns; values in [0, 1].
"""
import torch
from torch import Tensor

from amd_mm.models.algorithms import MaskedPretraining
from amd_mm.tokens import TokenGrid, TokenMask, gather_patches, scatter_patches

GRAY = 0.5


def reconstruction_views(images: Tensor, painted: Tensor, mask: TokenMask,
                         unaided: Tensor | None, grid: TokenGrid) -> dict[str, Tensor]:
    """:func:`mask_views`, and then the reconstruction.

    Args:
        images: As in :func:`mask_views`.
        painted: Likewise, with the predictions at the masked tokens.
        mask: As in :func:`mask_views`.
        unaided: As ``painted``, without what true patch statistics give away; None: there is none.
        grid: As in :func:`mask_views`.

    Returns:
        As :func:`mask_views`.
    """
    views = {**mask_views(images, mask, grid), 'reconstruction': painted}
    return views if unaided is None else {**views, 'own statistics': unaided}


def mask_views(images: Tensor, mask: TokenMask, grid: TokenGrid) -> dict[str, Tensor]:
    """The pictures to show side by side, by label, in this order.

    Args:
        images: (B, C, (T,) H, W) in [0, 1], the input.
        mask: The tokens. Without extra ones a teacher's view, being the student's, is left
            out; several teachers are counted as in the config.
        grid: How the input is cut into tokens.

    Returns:
        Tensors of the input's shape; what a side does not see is :data:`GRAY`.
    """
    views = {'input': images, "student's view": _only(images, mask.visible, grid)}
    several = len(mask.extras) > 1
    for number in range(max(1, len(mask.extras))):
        seen = mask.seen_by(number)
        if seen.extra.shape[1]:
            who = f'teacher {number + 1}' if several else 'teacher'
            views[f"{who}'s view"] = _only(images, seen.teacher_visible, grid)
    return views


def _only(images: Tensor, ids: Tensor, grid: TokenGrid) -> Tensor:
    return scatter_patches(
        torch.full_like(images, GRAY), ids, gather_patches(images, ids, grid), grid)


def describe(model: MaskedPretraining) -> str:
    """What one has to know to read the pictures of ``model``, in one or two sentences.

    With a normalised pixel target a prediction is a shape without brightness and contrast;
    both are then the true patch's, so the picture shows more than the model knows. The view
    beside it does not.
    """
    masks = model.mask_generator
    seen = f'The student sees {masks.num_visible} of {masks.grid.num_tokens} tokens'
    if masks.num_extra:
        counts = ' and '.join(str(masks.num_visible + extra) for extra in masks.num_extras)
        seen += f', the teacher{"s" * (len(masks.num_extras) > 1)} {counts}'
    if model.head is None or model.head.normalize is None:
        return f'{seen}.'
    return (f'{seen}. True patch statistics were used: mean and deviation of every '
            'reconstructed patch are the input\'s, because the pixel target is normalised. Under '
            '"own statistics" they are those of the patches that the student sees, on average.')
