"""Crops and sizes that no host has exactly."""
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmaction.datasets.transforms import MultiScaleCrop as _MultiScaleCrop
from mmaction.datasets.transforms import Resize as _Resize

from amd_mm.registry import TRANSFORMS
from amd_mm.values import FLAG, either, list_of, number, one_of, takes, whole


@TRANSFORMS.register_module()
class MultiScaleCrop(_MultiScaleCrop):
    """Crops at one of 13 fixed places, width and height each at one of a few scales.

    Scales are parts of the short side, and width and height are at most one step of the
    list apart. mmaction2's class besides snaps a side within two pixels of its ``input_size``
    to it, even where the picture is smaller, and then cuts out nothing; this one does not
    snap, and a resize must follow. ``imgs`` becomes one (T, H, W, C) array.

    Args:
        scales: Parts of the short side, in (0, 1], in descending order.

    Raises:
        ValueError: For a scale out of range.
    """

    # What it returns shares no memory with what it got: see KeyedDataset.
    copies_images = True

    @takes(scales=list_of(number(above=0, high=1)))
    def __init__(self, scales: tuple[float, ...] = (1, .875, .75, .66)) -> None:
        # No side of a crop is close to an input size of 0, so nothing snaps.
        super().__init__(input_size=0, scales=tuple(scales), num_fixed_crops=13)

    @staticmethod
    def _crop_imgs(imgs: Sequence[np.ndarray], crop_bbox: np.ndarray) -> np.ndarray:
        left, top, right, bottom = crop_bbox
        return np.stack([image[top:bottom, left:right] for image in imgs])


@TRANSFORMS.register_module()
class ResizeClip(_Resize):
    """mmaction2's ``Resize`` with Pillow's antialiased bilinear filter, for uint8 pictures.

    The released pre-training resizes with Pillow; OpenCV's bilinear filter, the host's, does not
    average where it makes smaller. Torch's filter for uint8 gives Pillow's values to within
    one level, for the whole clip at once and faster than either. ``imgs`` becomes one
    (T, H, W, C) array.

    Args:
        scale: (width, height) in pixels; with ``keep_ratio`` as the host's.
        keep_ratio: Whether width and height keep their ratio, as the host's.
    """

    @takes(scale=list_of(either(whole(1), one_of(-1)), 2), keep_ratio=FLAG)
    def __init__(self, scale: tuple[int, int], keep_ratio: bool = False) -> None:
        # The host takes a list for something else.
        super().__init__(scale=tuple(scale), keep_ratio=keep_ratio)

    def _resize_imgs(self, imgs: Sequence[np.ndarray], new_w: int, new_h: int) -> np.ndarray:
        # The channels stay last in memory, which is also what makes torch's filter fast.
        clip = torch.from_numpy(np.asarray(imgs)).permute(0, 3, 1, 2)
        resized = F.interpolate(clip, size=(new_h, new_w), mode='bilinear', antialias=True)
        return resized.permute(0, 2, 3, 1).numpy()
