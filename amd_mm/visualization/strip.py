"""Labelled tables of pictures, as arrays and files.

A picture is an (H, W, 3) uint8 RGB array. Panels are only ever enlarged by whole numbers, so
every pixel of a view is found again in the drawing.
"""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

GAP = 4
FONT_SIZE = 13
LINE = 18
# Panels below these sides are enlarged: a single picture, one frame of many.
IMAGE_SIDE = 128
FRAME_SIDE = 80
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def draw_strip(views: dict[str, Tensor], caption: str = '', max_frames: int = 8) -> np.ndarray:
    """All views in one picture.

    Args:
        views: (B, C, (T,) H, W) in [0, 1] by label; C is 1 or 3.
        caption: A sentence below.
        max_frames: How many frames of a clip to show at most, evenly spaced, at least 1.

    Returns:
        Images: a row a sample, a column a view. Clips: a column a frame; each clip is as many
        rows as there are views.

    Raises:
        ValueError: If ``max_frames`` is not positive.
    """
    if max_frames < 1:
        raise ValueError(f'max_frames must be at least 1, got {max_frames}: raise it.')
    shape = next(iter(views.values())).shape
    samples = range(shape[0])
    if len(shape) == 4:
        panels = [[_pixels(view[i]) for view in views.values()] for i in samples]
        return _draw_table(panels, list(views), [], caption, IMAGE_SIDE)
    count = min(max_frames, shape[2])
    frames = np.linspace(0, shape[2] - 1, count).round().astype(int).tolist()
    panels = [[_pixels(view[i, :, t]) for t in frames] for i in samples
              for view in views.values()]
    labels = [f'frame {t + 1}' for t in frames]
    return _draw_table(panels, labels, list(views) * shape[0], caption, FRAME_SIDE)


def draw_frames(views: dict[str, Tensor], caption: str = '') -> list[np.ndarray]:
    """One clip as T pictures, each with all views side by side.

    Args:
        views: (1, C, T, H, W) in [0, 1] by label.
        caption: A sentence below.
    """
    frames = range(next(iter(views.values())).shape[2])
    return [_draw_table([[_pixels(view[0, :, t]) for view in views.values()]], list(views), [],
                        caption, IMAGE_SIDE) for t in frames]


def write_gif(frames: Sequence[np.ndarray], path: str | Path, fps: float) -> None:
    """Write an endless animation.

    A GIF has 256 colours a frame: colours are near, not exact.

    Args:
        frames: Pictures of one size.
        path: The file.
        fps: Frames a second; what players keep up with is 1 to 50.
    """
    duration = 1000 / min(max(fps, 1), 50)
    first, *others = [Image.fromarray(frame).quantize(dither=Image.Dither.NONE)
                      for frame in frames]
    first.save(path, save_all=True, append_images=others, duration=duration, loop=0,
               optimize=False)


def _pixels(image: Tensor) -> np.ndarray:
    """(C, H, W) in [0, 1] to a picture."""
    pixels = (image.detach().float().cpu() * 255).round().clamp(0, 255).byte()
    return pixels.expand(3, -1, -1).permute(1, 2, 0).numpy()


def _draw_table(panels: list[list[np.ndarray]], column_labels: list[str],
                row_labels: list[str], caption: str, min_side: int) -> np.ndarray:
    """Panels of one size under and beside their labels, the caption below."""
    height, width = panels[0][0].shape[:2]
    factor = -(-min_side // min(height, width)) if min(height, width) < min_side else 1
    height, width = height * factor, width * factor
    font = ImageFont.load_default(FONT_SIZE)
    left = max((int(font.getlength(label)) + 2 * GAP for label in row_labels), default=GAP)
    right = left + len(panels[0]) * (width + GAP)
    bottom = LINE + len(panels) * (height + GAP)
    lines = _wrap(caption, right - 2 * GAP, font)

    canvas = Image.new('RGB', (right, bottom + LINE * len(lines)), _WHITE)
    draw = ImageDraw.Draw(canvas)
    for column, label in enumerate(column_labels):
        draw.text((left + column * (width + GAP), 1), label, _BLACK, font)
    for row, label in enumerate(row_labels):
        y = LINE + row * (height + GAP) + height / 2
        draw.text((GAP, y), label, _BLACK, font, anchor='lm')
    for row, line in enumerate(panels):
        for column, panel in enumerate(line):
            enlarged = panel.repeat(factor, 0).repeat(factor, 1)
            canvas.paste(Image.fromarray(enlarged),
                         (left + column * (width + GAP), LINE + row * (height + GAP)))
    for number, text in enumerate(lines):
        draw.text((GAP, bottom + number * LINE), text, _BLACK, font)
    return np.asarray(canvas)


def _wrap(text: str, width: float, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f'{lines[-1]} {word}') <= width:
            lines[-1] += f' {word}'
        else:
            lines.append(word)
    return lines
