import random

import numpy as np
import pytest
from PIL import Image

from amd_mm.datasets.transforms import MultiScaleCrop, ResizeClip

SCALES = (1, .875, .75, .66)
# 13 places in quarters of the free space: corners, edge middles, centre, inner corners.
PLACES = {(0, 0), (4, 0), (0, 4), (4, 4), (2, 2), (0, 2), (4, 2), (2, 4), (2, 0),
          (1, 1), (3, 1), (1, 3), (3, 3)}


def expected_boxes(width, height):
    sizes = [int(min(width, height) * scale) for scale in SCALES]
    pairs = {(w, h) for i, h in enumerate(sizes) for j, w in enumerate(sizes) if abs(i - j) <= 1}
    return {(x * ((width - w) // 4), y * ((height - h) // 4), w, h)
            for w, h in pairs for x, y in PLACES}


# 226 and 223 are where mmaction2's class would snap to 224; 223 is smaller than that.
@pytest.mark.parametrize('width,height', [(340, 256), (226, 300), (223, 223), (40, 30)])
def test_boxes_are_exactly_the_released_ones(width, height):
    random.seed(0)
    rows, columns = np.mgrid[:height, :width].astype(np.int32)
    picture = np.stack([columns, rows], axis=-1)
    crop, found = MultiScaleCrop(), set()
    for _ in range(3000):
        results = crop(dict(imgs=[picture], img_shape=(height, width)))
        image = results['imgs'][0]
        found.add((*image[0, 0].tolist(), image.shape[1], image.shape[0]))
        assert results['img_shape'] == image.shape[:2]
    assert found == expected_boxes(width, height)


def test_scale_out_of_range_is_named():
    with pytest.raises(ValueError, match=r'scales of MultiScaleCrop .* \(0, 1\], got \(1.2, 1\)'):
        MultiScaleCrop(scales=(1.2, 1))


def test_crop_is_a_copy():
    picture = np.zeros((30, 40, 3), np.uint8)
    results = MultiScaleCrop()(dict(imgs=[picture, picture], img_shape=(30, 40)))
    results['imgs'][:] = 1
    assert MultiScaleCrop.copies_images and not picture.any()


@pytest.mark.parametrize('height,width', [(96, 200), (30, 24), (48, 40), (47, 130)])
def test_resize_is_pillows(height, width):
    clip = np.random.RandomState(0).randint(0, 256, (3, height, width, 3), np.uint8)
    results = ResizeClip((40, 48))(dict(imgs=list(clip), img_shape=(height, width)))
    assert results['img_shape'] == (48, 40)
    for found, frame in zip(results['imgs'], clip, strict=True):
        wanted = np.asarray(Image.fromarray(frame).resize((40, 48), Image.BILINEAR), np.int16)
        difference = np.abs(found - wanted)
        assert difference.max() <= 1 and difference.mean() < .1


def test_resize_can_keep_the_ratio():
    results = ResizeClip((-1, 20), keep_ratio=True)(dict(
        imgs=np.zeros((2, 40, 60, 3), np.uint8), img_shape=(40, 60)))
    assert results['imgs'].shape == (2, 20, 30, 3)
