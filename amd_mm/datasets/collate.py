"""Batches of repeated samples."""
from collections.abc import Sequence

import torch
from torch.utils.data import default_collate


def collate_repeats(batch: Sequence[Sequence[dict]]) -> dict:
    """Join the repeats of :class:`KeyedDataset` into one batch.

    The inputs become one tensor: a worker hands over each tensor by itself, and the training
    process waits for every one.

    Args:
        batch: For each sample the list of its R packed repeats, all inputs of one shape.

    Returns:
        ``inputs``, a tensor (B * R, ...) of the type that the pipeline gives (uint8 in the
        recipes), and ``data_samples``, a list of as many data samples; the repeats of a sample
        are neighbours.

    Raises:
        ValueError: If shapes differ.
    """
    samples = [packed for repeats in batch for packed in repeats]
    shapes = sorted({tuple(packed['inputs'].shape) for packed in samples})
    if len(shapes) > 1:
        raise ValueError(
            f'inputs of a batch must have one shape, got {shapes[0]} and {shapes[-1]}; let the '
            'pipeline of KeyedDataset resize to the size of the network')
    return dict(inputs=_stack([packed['inputs'] for packed in samples]),
                data_samples=[packed['data_samples'] for packed in samples])


def _stack(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """One tensor of many, in the shared memory of a worker, laid out as each of them is.

    Pictures have their channels last in memory, and moving them would take longer than the copy.
    """
    order = sorted(range(tensors[0].ndim), key=tensors[0].stride, reverse=True)
    stacked = default_collate([tensor.permute(order) for tensor in tensors])
    return stacked.permute(0, *(1 + order.index(axis) for axis in range(len(order))))
