import random

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from amd_mm.datasets.transforms import ClipHSVJitter, ClipRandAugment
from amd_mm.keys import seeded

RELEASED = dict(num_ops=4, magnitude=7, magnitude_std=.5)
# mmpretrain's preset has the order of timm's.
OPERATIONS = (
    'AutoContrast', 'Equalize', 'Invert', 'Rotate', 'PosterizeIncreasing', 'SolarizeIncreasing',
    'SolarizeAdd', 'ColorIncreasing', 'ContrastIncreasing', 'BrightnessIncreasing',
    'SharpnessIncreasing', 'ShearX', 'ShearY', 'TranslateXRel', 'TranslateYRel')


@pytest.fixture(scope='module')
def picture() -> np.ndarray:
    return np.asarray(Image.fromarray(data.astronaut()).resize((160, 120)))


def clip(frames: int = 3) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (frames, 24, 32, 3), dtype=np.uint8))


def augmented(images: list[np.ndarray], seed: int, **settings) -> list[np.ndarray]:
    with seeded(seed):
        return ClipRandAugment(**{**RELEASED, **settings})(dict(imgs=images))['imgs']


def change(image: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(image.astype(int) - other).mean())


def test_all_frames_are_changed_alike():
    images = clip()
    kinds = set()
    for seed in range(40):
        together = augmented(images, seed, prob=1.)
        alone = [augmented([image], seed, prob=1.)[0] for image in images]
        np.testing.assert_array_equal(together, alone)
        kinds.add(np.stack(together).tobytes())
    assert len(kinds) > 35
    assert all(image.shape == (24, 32, 3) and image.dtype == np.uint8 and image.flags.c_contiguous
               for image in together)


def test_draws_of_a_clip_do_not_hang_on_those_before():
    augment = ClipRandAugment(**RELEASED, prob=1.)
    results = []
    for _ in range(2):
        with seeded(3):
            results.append(augment(dict(imgs=clip()))['imgs'])
        augment(dict(imgs=clip()))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize('magnitude', [3, 7, 9])
@pytest.mark.parametrize('index', range(15), ids=OPERATIONS)
def test_every_operation_is_timms(index, magnitude, picture, monkeypatch):
    timm = pytest.importorskip('timm.data.auto_augment')
    assert timm._RAND_INCREASING_TRANSFORMS[index] == OPERATIONS[index]
    augment = ClipRandAugment(num_ops=1, magnitude=magnitude, magnitude_std=0, prob=1.)
    augment._one_frame.random_policy_indices = lambda: [index]
    seen = {}
    for seed in range(8):
        with seeded(seed):
            ours, = augment(dict(imgs=[picture]))['imgs']
        seen[ours.tobytes()] = ours
    signed = any(word in OPERATIONS[index] for word in (
        'Color', 'Contrast', 'Brightness', 'Sharpness', 'Shear', 'Translate', 'Rotate'))
    assert len(seen) == (2 if signed and OPERATIONS[index] != 'AutoContrast' else 1)
    theirs = []
    for sign in (1, -1):
        monkeypatch.setattr(timm, '_randomly_negate', lambda value, sign=sign: sign * value)
        # The released code's: bicubic, the border grey.
        operation = timm.AugmentOp(OPERATIONS[index], prob=1, magnitude=magnitude, hparams=dict(
            img_mean=(128, 128, 128), interpolation=Image.BICUBIC))
        theirs.append(np.asarray(operation(Image.fromarray(picture))))
    # Borders of the shape operations differ by half a pixel.
    geometric = any(word in OPERATIONS[index] for word in ('Shear', 'Translate', 'Rotate'))
    for ours in seen.values():
        assert min(change(ours, other) for other in theirs) < (3. if geometric else .5)


def test_clips_change_as_much_as_with_timm(picture):
    """The whole transform, not its parts: mean change over many clips."""
    timm = pytest.importorskip('timm.data.auto_augment')
    augment = ClipRandAugment(**RELEASED)
    theirs = timm.rand_augment_transform(
        'rand-m7-n4-mstd0.5-inc1', dict(interpolation=Image.BICUBIC))
    image = Image.fromarray(picture)
    with seeded(0):
        random.seed(0)
        ours = [change(augment(dict(imgs=[picture]))['imgs'][0], picture) for _ in range(600)]
        released = [change(np.asarray(theirs(image)), picture) for _ in range(600)]
    assert np.mean(ours) == pytest.approx(np.mean(released), abs=5)
    # None of four operations is carried out one time in 16.
    assert np.mean(np.array(ours) == 0) == pytest.approx(1 / 16, abs=.03)


def test_more_is_stronger_and_four_bits_become_two():
    with seeded(0):
        ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
        augment = ClipRandAugment(num_ops=1, magnitude=7, magnitude_std=0, prob=1.)
        posterize = augment._one_frame.transforms[OPERATIONS.index('PosterizeIncreasing')]
        assert np.unique(posterize(dict(img=ramp))['img']).tolist() == [0, 64, 128, 192]


@pytest.mark.parametrize('settings, words', [
    (dict(num_ops=0), 'num_ops .* got 0'), (dict(magnitude=11), 'magnitude .* got 11'),
    (dict(prob=1.5), 'prob .* got 1.5'), (dict(magnitude_std=-1), 'magnitude_std .* got -1'),
    (dict(fill=300), 'fill .* got 300')])
def test_numbers_out_of_range_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        ClipRandAugment(**{**RELEASED, **settings})


class TestHSVJitter:

    def test_shifts_are_those_of_the_released_code(self, picture):
        """One shift for all frames; hue goes round, the others end at their limits."""
        jitter = ClipHSVJitter(hue=20, saturation=.1, value=.1)
        assert jitter.bounds == (10, 26, 26)
        hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV).astype(int)
        for seed in range(5):
            with seeded(seed):
                frames = jitter(dict(imgs=[picture, picture[::-1].copy()]))['imgs']
            with seeded(seed):
                hue, saturation, value = (
                    np.random.randint(-bound, bound + 1) for bound in (10, 26, 26))
            expected = np.stack([
                (hsv[..., 0] + hue) % 180, np.clip(hsv[..., 1] + saturation, 0, 255),
                np.clip(hsv[..., 2] + value, 0, 255)], -1).astype(np.uint8)
            np.testing.assert_array_equal(
                frames[0], cv2.cvtColor(expected, cv2.COLOR_HSV2RGB))
            np.testing.assert_array_equal(frames[1], frames[0][::-1])

    def test_no_shift_leaves_the_clip(self, picture):
        with seeded(0):
            same, = ClipHSVJitter(0, 0, 0)(dict(imgs=[picture]))['imgs']
        assert change(same, picture) < 1.5
