"""Checks of the numbers in a checkpoint."""
import warnings
from collections.abc import Mapping

import torch
from torch import Tensor

from amd_mm.checkpoints.reading import FLOAT_TYPES


def check_values(state: Mapping[str, Tensor], subject: str) -> None:
    """Warn of weights that are not finite, with their keys.

    Raises:
        ValueError: If a weight is no floating-point tensor.
    """
    wrong = [f'{name}: {value.dtype}' for name, value in state.items()
             if value.dtype not in FLOAT_TYPES]
    if wrong:
        raise ValueError(f'Checkpoint {subject}: weights must be float32, float16, bfloat16 or '
                         f'float64, but found {", ".join(wrong[:8])}. Quantised weights have to '
                         'be turned back first.')
    # A sum is not finite if a term is not; it needs no mask of the size of the weight.
    bad = [name for name, value in state.items()
           if not value.sum(dtype=torch.float32).isfinite() and not value.isfinite().all()]
    if bad:
        warnings.warn(f'Checkpoint {subject}: not a finite number (NaN or infinite) in '
                      f'{", ".join(bad)}.', stacklevel=2)
