"""OpenCV on machines without libGL (slim servers, containers)."""
import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amd_mm.compat.fix import Fix, Verdict


def _libgl_missing(cv2: Any) -> Verdict:
    if not sys.platform.startswith('linux'):
        return Verdict(False, f'no wheel for {sys.platform} needs libGL')
    try:
        ctypes.CDLL('libGL.so.1')
    except OSError:
        return Verdict(True, 'this machine has no libGL; if that stops the import, the error '
                             'says what to do')
    return Verdict(False, 'this machine has libGL')


@contextmanager
def _explain_missing_libgl(cv2: Any) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        if 'libGL' not in str(error):
            raise
        raise ImportError(
            f'cv2 cannot be imported: {error}. The desktop build of OpenCV, which MMEngine and '
            'mmaction2 require, needs libGL, and this machine has none. Install the headless '
            'build of the same version last, over the others: `pip install --force-reinstall '
            '--no-deps opencv-contrib-python-headless==VERSION` with the VERSION that `pip list` '
            'shows for opencv-contrib-python (or opencv-python); or the system package libgl1.'
        ) from error


FIXES = [
    Fix(name='opencv-libgl', host='cv2',
        symptom='import cv2: libGL.so.1: cannot open shared object file',
        affected='the desktop builds of OpenCV, on machines without libGL',
        link='https://github.com/opencv/opencv-python/issues/851',
        trigger='cv2', check=_libgl_missing, around=_explain_missing_libgl),
]
