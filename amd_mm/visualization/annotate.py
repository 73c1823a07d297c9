"""Pictures and videos with a few lines of text on them."""
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av import VideoFrame
from av.container import OutputContainer
from PIL import Image, ImageDraw, ImageFont

# Of a second: whole numbers of them make frames of every usual rate.
_TICKS = 120_000
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
    """An .mp4 in H.264 that is written frame by frame; a context manager.

    Args:
        path: The file; whatever its name ends in.
        fps: Frames a second.

    Raises:
        ValueError: At the first frame, if the file cannot be written.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        self.path, self.fps = Path(path), fps
        self._file: BinaryIO | None = None
        self._container: OutputContainer | None = None
        self._stream: Any = None
        self._count, self._last = 0, -1

    def __enter__(self) -> 'VideoFile':
        return self

    def __exit__(self, *_: object) -> None:
        if self._container is not None:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        if self._file is not None:
            self._file.close()

    def write(self, frame: np.ndarray, time: float | None = None) -> None:
        """Append a frame.

        Args:
            frame: (H, W, 3) uint8, RGB; all of one size. H.264's colours are of two by two
                pixels: an odd edge is there twice.
            time: When it is shown, in seconds from 0; None: a frame of ``fps`` after the last one.
        """
        rows, columns = frame.shape[:2]
        even = np.pad(frame, ((0, rows % 2), (0, columns % 2), (0, 0)), 'edge')
        if self._container is None:
            self._open(even.shape[1], even.shape[0])
        picture = VideoFrame.from_ndarray(even, 'rgb24')
        time = self._count / self.fps if time is None else time
        # Each frame is shown after the one before, however times are rounded.
        picture.pts = self._last = max(self._last + 1, round(time * _TICKS))
        picture.time_base = Fraction(1, _TICKS)
        self._count += 1
        assert self._container is not None
        self._container.mux(self._stream.encode(picture))

    def _open(self, width: int, height: int) -> None:
        try:
            # FFmpeg would find out at the first packet.
            self._file = self.path.open('wb')
        except OSError as error:
            raise ValueError(f'{self.path}: must be a video that can be written, but: '
                             f'{error.strerror}; check the folder') from error
        self._container = av.open(self._file, 'w', format='mp4')
        self._stream = self._container.add_stream(
            'libx264', rate=Fraction(self.fps).limit_denominator(1001),
            options=dict(preset='veryfast', crf='20'))
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = 'yuv420p'
        self._stream.codec_context.time_base = Fraction(1, _TICKS)
