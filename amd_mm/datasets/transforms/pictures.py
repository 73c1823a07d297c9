"""Pictures from files, by one rule whatever their format is."""
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from warnings import catch_warnings, simplefilter

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageOps, UnidentifiedImageError

from amd_mm.datasets.files import FileError
from amd_mm.datasets.reading import read_bytes
from amd_mm.registry import TRANSFORMS
from amd_mm.values import MAPPING, optional, takes

# Pillow knows others, some of which it hands to other programs.
_FORMATS = ('JPEG', 'PNG', 'WEBP', 'TIFF', 'BMP', 'GIF', 'AVIF', 'PPM', 'JPEG2000', 'MPO', 'DIB')


@TRANSFORMS.register_module()
class LoadPicture(BaseTransform):
    """Reads a picture, as mmpretrain's ``LoadImageFromFile`` does, and refuses what it must not be.

    What a file is shows its content, whatever its name ends in. Ordinary pictures come out with
    the pixels that the host's transform gives; for the others there is one rule in all formats:

    - Transparency: the picture is laid on white.
    - EXIF: it is turned and mirrored as its orientation says.
    - Grey becomes three equal channels, 16 bits the upper 8 of them; a palette its colours; of
      several pictures in a file the first is taken.
    - Pixels are taken as square, and colour profiles are not applied.

    Args:
        backend_args: Storage backend of mmengine; None infers it from the path.
    """

    @takes(backend_args=optional(MAPPING))
    def __init__(self, backend_args: dict | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Read.

        Args:
            results: Holds ``img_path``.

        Returns:
            The same dictionary with ``img``, (H, W, 3) uint8 BGR, ``img_shape`` and
            ``ori_shape``.

        Raises:
            FileError: If the file cannot be read, is empty, is no picture or a damaged one, or has
                more pixels than Pillow allows.
        """
        results['img'] = read_picture(results['img_path'], self.backend_args)
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


def read_picture(path: str, backend_args: dict | None = None) -> np.ndarray:
    """Read a picture by the rules of :class:`LoadPicture`.

    Args:
        path: Of the file.
        backend_args: Storage backend of mmengine; None infers it from the path.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        FileError: As :meth:`LoadPicture.transform` does.
    """
    content = read_bytes(path, backend_args)
    if not content:
        raise FileError(path, 'is empty')
    try:
        return _decode(content)
    except (MemoryError, ImportError):
        raise
    except UnidentifiedImageError as error:
        raise FileError(path, 'is no picture of a kind that can be read') from error
    except Image.DecompressionBombError as error:
        found, most = re.findall(r'\d+', str(error))[:2]
        raise FileError(path, (f'has {found} pixels, and {most} at most are read (twice '
                               'PIL.Image.MAX_IMAGE_PIXELS)')) from error
    except Exception as error:  # Pillow and OpenCV have many of their own.
        raise FileError(path, 'is cut short or damaged') from error


def _decode(content: bytes) -> np.ndarray:
    # Of the header alone; that is where Pillow counts the pixels.
    with catch_warnings():
        simplefilter('ignore', Image.DecompressionBombWarning)
        picture = Image.open(io.BytesIO(content), formats=_formats())
    if not _is_opencvs(picture):
        return _laid_on_white(picture)
    with _silent():
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise OSError
    return pixels


@cache
def _formats() -> tuple[str, ...]:
    """Those of our formats that Pillow was built with."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _is_opencvs(picture: Image.Image) -> bool:
    """Whether OpenCV reads a picture better.

    JPEG takes it half of Pillow's time (MPO is JPEG with more pictures behind the first), and of
    16 bits and more Pillow keeps the lower 8.
    """
    return picture.format in ('JPEG', 'MPO') or picture.mode.startswith(('I', 'F'))


def _has_alpha(picture: Image.Image) -> bool:
    return picture.mode.endswith(('A', 'a')) or 'transparency' in picture.info


def _laid_on_white(picture: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 BGR."""
    picture = ImageOps.exif_transpose(picture)
    if _has_alpha(picture):
        white = Image.new('RGBA', picture.size, 'white')
        picture = Image.alpha_composite(white, picture.convert('RGBA'))
    return cv2.cvtColor(np.asarray(picture.convert('RGB')), cv2.COLOR_RGB2BGR)


@contextmanager
def _silent() -> Iterator[None]:
    """OpenCV without its own lines on the terminal: our error says what is the matter."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
