import cv2
import mmcv
import numpy as np
import pytest
from mmaction.datasets.transforms import ColorJitter
from mmpretrain.datasets.transforms import ColorJitter as ImageColorJitter
from PIL import Image

IMAGE = np.random.RandomState(0).randint(0, 256, (8, 8, 3), np.uint8)


@pytest.mark.parametrize('factor', [-0.5, -0.13, 0., 0.13, 0.5])
def test_mmcv_turns_the_hue_circle_of_256_steps(factor: float) -> None:
    hsv = cv2.cvtColor(IMAGE, cv2.COLOR_BGR2HSV_FULL).astype(int)
    hsv[..., 0] = (hsv[..., 0] + int(factor * 255)) % 256
    expected = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR_FULL)
    assert np.array_equal(mmcv.adjust_hue(IMAGE, factor, backend='cv2'), expected)


@pytest.mark.parametrize('factor', [-0.5, -0.13, 0.13])
def test_mmcv_with_pillow(factor: float) -> None:
    hsv = np.array(Image.fromarray(IMAGE[..., ::-1]).convert('HSV')).astype(int)
    hsv[..., 0] = (hsv[..., 0] + int(factor * 255)) % 256
    expected = Image.fromarray(hsv.astype(np.uint8), mode='HSV').convert('RGB')
    actual = mmcv.adjust_hue(IMAGE, factor, backend='pillow')
    assert np.array_equal(actual, np.array(expected)[..., ::-1])


def test_mmcv_still_checks_the_range() -> None:
    with pytest.raises(ValueError, match='hue_factor'):
        mmcv.adjust_hue(IMAGE, -0.6)


@pytest.mark.parametrize('factor', [-0.5, -0.13, 0.])
def test_mmaction_turns_the_hue_circle_of_180_steps(factor: float) -> None:
    hsv = cv2.cvtColor(IMAGE, cv2.COLOR_RGB2HSV).astype(int)
    hsv[..., 0] = (hsv[..., 0] + int(factor * 255)) % 180
    expected = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
    actual = ColorJitter.adjust_hue(IMAGE, factor)
    assert actual.dtype == np.float32 and np.array_equal(actual, expected)


def test_jitter_of_both_hosts_runs_with_negative_shifts() -> None:
    np.random.seed(0)
    image_jitter = ImageColorJitter(hue=(-0.5, -0.1))
    video_jitter = ColorJitter(brightness=0, contrast=0, saturation=0, hue=0.5)
    for _ in range(8):
        for jittered in (image_jitter(dict(img=IMAGE))['img'],
                         video_jitter(dict(imgs=[IMAGE]))['imgs'][0]):
            # Colours change, and the largest of the three, which is the value, does not.
            assert np.abs(jittered.astype(int) - IMAGE).mean() > 5
            assert np.abs(jittered.max(2).astype(int) - IMAGE.max(2)).max() <= 1
