"""Crops that no host has exactly."""
from mmaction.datasets.transforms import MultiScaleCrop as _MultiScaleCrop

from amd_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MultiScaleCrop(_MultiScaleCrop):
    """Crop at one of 13 fixed places, width and height each at one of a few scales.

    Scales are parts of the short side, and width and height are at most one step of the
    list apart. mmaction2's class besides snaps a side within two pixels of its ``input_size``
    to it, even where the picture is smaller, and then cuts out nothing; this one does not
    snap, and a resize must follow.

    Args:
        scales: Parts of the short side, in (0, 1], in descending order.

    Raises:
        ValueError: For a scale out of range.
    """

    def __init__(self, scales: tuple[float, ...] = (1, .875, .75, .66)) -> None:
        if not scales or not all(0 < scale <= 1 for scale in scales):
            raise ValueError(
                f'scales of MultiScaleCrop must be in (0, 1], got {scales}; '
                'they are parts of the short side')
        # No side of a crop is close to an input size of 0, so nothing snaps.
        super().__init__(input_size=0, scales=tuple(scales), num_fixed_crops=13)
