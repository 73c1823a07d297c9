"""Batches of repeated samples."""
from collections.abc import Sequence

import torch
from torch.utils.data import default_collate


def collate_repeats(batch: Sequence[Sequence[dict]]) -> dict:
    """Join the repeats of :class:`KeyedDataset` into one batch.

    The inputs become one tensor: a worker hands over each tensor by itself, and the training
    process waits for every one.

    Args:
        batch: For each sample the list of its R packed repeats, all inputs of one shape; or
            lists of views of one shape each.

    Returns:
        ``inputs``, a tensor (B * R, ...) of the type that the pipeline gives (uint8 in the
        recipes), or a list of such tensors, one a view; and ``data_samples``, a list of B * R
        data samples. The repeats of a sample are neighbours.

    Raises:
        ValueError: If shapes differ.
    """
    samples = [packed for repeats in batch for packed in repeats]
    inputs = [packed['inputs'] for packed in samples]
    stacked: torch.Tensor | list[torch.Tensor]
    if isinstance(inputs[0], Sequence):
        stacked = [_stack(view) for view in zip(*inputs, strict=True)]
    else:
        stacked = _stack(inputs)
    return dict(inputs=stacked, data_samples=[packed['data_samples'] for packed in samples])


def collate_lists(batch: Sequence[Sequence[dict]]) -> dict:
    """As :func:`collate_repeats`, for inputs of different shapes: ``inputs`` is a list too."""
    samples = [packed for repeats in batch for packed in repeats]
    return {name: [packed[name] for packed in samples] for name in ('inputs', 'data_samples')}


def _stack(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """One tensor of many, in the shared memory of a worker, laid out as each of them is.

    Pictures have their channels last in memory, and moving them would take longer than the copy.
    """
    shapes = sorted({tuple(tensor.shape) for tensor in tensors})
    if len(shapes) > 1:
        raise ValueError(
            f'inputs of a batch must have one shape, got {shapes[0]} and {shapes[-1]}; let the '
            'pipeline of KeyedDataset resize to the size of the network')
    order = sorted(range(tensors[0].ndim), key=tensors[0].stride, reverse=True)
    stacked = default_collate([tensor.permute(order) for tensor in tensors])
    return stacked.permute(0, *(1 + order.index(axis) for axis in range(len(order))))
