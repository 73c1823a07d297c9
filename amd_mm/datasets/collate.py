"""Batches of repeated samples."""
from collections.abc import Sequence

from mmengine.dataset import pseudo_collate


def collate_repeats(batch: Sequence[Sequence[dict]]) -> dict:
    """Join the repeats of :class:`KeyedDataset` into one batch, without stacking or casting.

    Args:
        batch: For each sample the list of its R packed repeats.

    Returns:
        ``inputs``, a list of B * R uint8 tensors, and ``data_samples``, a list of as many
        data samples; the repeats of a sample are neighbours.
    """
    return pseudo_collate([packed for repeats in batch for packed in repeats])
