"""Pictures and videos with a few lines of text on them."""
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_GROUND, _INK = (0, 0, 0, 160), (255, 255, 255, 255)


def caption(image: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """A copy with text on a darker ground in the upper left corner.

    Args:
        image: (H, W, 3) uint8, RGB.
        lines: Of the text; none leave the picture as it is.
    """
    if not lines:
        return image.copy()
    canvas = Image.fromarray(image).convert('RGBA')
    size = max(9, min(image.shape[:2]) // 18)
    font = ImageFont.load_default(size)
    text = '\n'.join(lines)
    overlay = Image.new('RGBA', canvas.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(overlay)
    margin = size // 2
    _, _, right, bottom = draw.multiline_textbbox((margin, margin), text, font)
    draw.rectangle((0, 0, right + margin, bottom + margin), fill=_GROUND)
    draw.multiline_text((margin, margin), text, _INK, font)
    return np.asarray(Image.alpha_composite(canvas, overlay).convert('RGB'))


class VideoFile:
    """An .mp4 that is written frame by frame; a context manager.

    Args:
        path: The file.
        fps: Frames a second.

    Raises:
        ValueError: At the first frame, if the file cannot be written.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        self.path, self.fps = Path(path), fps
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> 'VideoFile':
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.release()

    def write(self, frame: np.ndarray) -> None:
        """Append (H, W, 3) uint8, RGB; all of one size."""
        if self._writer is None:
            height, width = frame.shape[:2]
            self._writer = cv2.VideoWriter(
                str(self.path), cv2.VideoWriter.fourcc(*'mp4v'), self.fps, (width, height))
            if not self._writer.isOpened():
                raise ValueError(f'{self.path}: OpenCV must be able to write this video, but '
                                 'cannot: check the folder, or install OpenCV with FFmpeg')
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
