"""Boxes with names on a picture."""
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_INK = (255, 255, 255, 255)


def draw_boxes(image: np.ndarray, boxes: Sequence[Sequence[float]], titles: Sequence[str],
               colours: Sequence[Sequence[int]]) -> np.ndarray:
    """A copy with the outlines of boxes and a title in the upper left corner of each.

    The first box is drawn last, over the others.

    Args:
        image: (H, W, 3) uint8, RGB.
        boxes: Left, upper, right and lower edge in pixels.
        titles: As many.
        colours: As many, RGB.
    """
    canvas = Image.fromarray(image).convert('RGBA')
    draw = ImageDraw.Draw(canvas)
    size = max(8, min(image.shape[:2]) // 36)
    font = ImageFont.load_default(size)
    width = max(1, size // 6)
    for box, title, colour in reversed(list(zip(boxes, titles, colours, strict=True))):
        left, top, right, bottom = box
        draw.rectangle((left, top, right, bottom), outline=(*colour, 255), width=width)
        draw.rectangle((left, top, left + font.getlength(title) + 2 * width, top + size + width),
                       fill=(*colour, 255))
        draw.text((left + width, top), title, _INK, font)
    return np.asarray(canvas.convert('RGB'))
