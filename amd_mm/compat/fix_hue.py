"""Colour jitter of mmcv (mmpretrain uses it) and mmaction2 under numpy 2."""
from collections.abc import Callable
from functools import wraps
from typing import Any

from amd_mm.compat.fix import Fix, Verdict
from amd_mm.compat.rebind import rebind


class _CyclicHue(float):
    """A hue shift whose product is wrapped into uint8, as numpy 1 did on conversion."""

    def __mul__(self, other: float) -> int:
        return int(float(self) * other) % 256


def _verdict(adjust_hue: Callable[..., object]) -> Verdict:
    import numpy
    try:
        adjust_hue(numpy.zeros((1, 1, 3), numpy.uint8), -0.1)
    except OverflowError as error:
        return Verdict(True, f'a negative hue shift raises: {error}')
    return Verdict(False, 'a negative hue shift works')


def _check_mmcv(photometric: Any) -> Verdict:
    return _verdict(photometric.adjust_hue)


def _mend_mmcv(photometric: Any) -> None:
    original = photometric.adjust_hue

    @wraps(original)
    def adjust_hue(img: object, hue_factor: float, backend: str | None = None) -> object:
        return original(img, _CyclicHue(hue_factor), backend)

    rebind(photometric, 'adjust_hue', adjust_hue)


def _check_mmaction(processing: Any) -> Verdict:
    return _verdict(processing.ColorJitter.adjust_hue)


def _mend_mmaction(processing: Any) -> None:
    cv2, np = processing.cv2, processing.np
    original = processing.ColorJitter.adjust_hue

    @wraps(original)
    def adjust_hue(img: object, factor: float) -> object:
        if factor >= 0:
            return original(img, factor)
        hsv = cv2.cvtColor(np.clip(img, 0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV)
        # numpy 1 went over to int16 here by itself
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + int(factor * 255)) % 180
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32)

    processing.ColorJitter.adjust_hue = staticmethod(adjust_hue)


FIXES = [
    Fix(name='mmcv-hue', host='mmcv',
        symptom='ColorJitter: Python integer -13 out of bounds for uint8',
        affected='mmcv <= 2.2.0 with numpy >= 2',
        link='https://github.com/VBTI-development/onedl-mmcv/pull/41',
        trigger='mmcv.image.photometric', check=_check_mmcv, apply=_mend_mmcv),
    Fix(name='mmaction-hue', host='mmaction',
        symptom='ColorJitter: Python integer -13 out of bounds for uint8',
        affected='mmaction2 1.2.0 with numpy >= 2',
        link='https://numpy.org/doc/stable/numpy_2_0_migration_guide.html',
        trigger='mmaction.datasets.transforms.processing',
        check=_check_mmaction, apply=_mend_mmaction),
]
