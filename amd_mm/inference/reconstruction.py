"""Reconstructions of a pre-trained student, that leave no trace in it."""
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from amd_mm.keys import sample_key
from amd_mm.models.algorithms import MaskedPretraining, Reconstruction


def fixed_keys(count: int, seed: int = 0) -> list[BaseDataElement]:
    """``count`` data samples whose masks hang on ``seed`` and their place alone."""
    return [BaseDataElement(metainfo=dict(sample_key=sample_key(seed, 0, index, 0)))
            for index in range(count)]


def reconstruct(model: MaskedPretraining, inputs: Tensor | Sequence[Tensor],
                data_samples: Sequence[BaseDataElement]) -> Reconstruction:
    """Reconstruct without leaving a trace in the model or in any random generator.

    Args:
        model: With a decoder and a head; not inside a distributed wrapper.
        inputs: As the data loader gives them: not yet normalised.
        data_samples: With sample keys, see :func:`fixed_keys`.
    """
    with evaluating(model):
        batch = model.data_preprocessor(dict(inputs=inputs, data_samples=list(data_samples)))
        return model.reconstruct(batch['inputs'], batch['data_samples'])


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Eval mode, and afterwards each module's own: ``train()`` would also wake frozen ones."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
