"""Classes of pixels, as colours over a picture."""
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = Sequence[int]
_GROUND, _INK = (0, 0, 0, 160), (255, 255, 255, 255)


def paint(image: np.ndarray, labels: np.ndarray, palette: Sequence[Colour],
          opacity: float = .5) -> np.ndarray:
    """A copy in which every pixel is mixed with the colour of its class.

    Args:
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) whole numbers; a pixel whose label is no place of ``palette`` stays as it is.
        palette: A colour a class, RGB.
        opacity: Of the colours, in [0, 1].
    """
    counted = (labels >= 0) & (labels < len(palette))
    colours = np.asarray(palette, float)[np.where(counted, labels, 0)]
    mixed = np.rint((1 - opacity) * image + opacity * colours).astype(np.uint8)
    return np.where(counted[..., None], mixed, image)


def legend(image: np.ndarray, names: Sequence[str], colours: Sequence[Colour]) -> np.ndarray:
    """A copy with names and their colours on a darker ground in the upper left corner.

    Args:
        image: (H, W, 3) uint8, RGB.
        names: One a line.
        colours: As many, RGB.
    """
    if not names:
        return image.copy()
    canvas = Image.fromarray(image).convert('RGBA')
    size = max(9, min(image.shape[:2]) // 24)
    font = ImageFont.load_default(size)
    line, margin = size + size // 2, size // 2
    overlay = Image.new('RGBA', canvas.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(overlay)
    width = max(font.getlength(name) for name in names)
    draw.rectangle((0, 0, 3 * margin + size + width, margin + line * len(names)), fill=_GROUND)
    for place, (name, colour) in enumerate(zip(names, colours, strict=True)):
        top = margin + place * line
        draw.rectangle((margin, top, margin + size, top + size), fill=(*colour, 255), outline=_INK)
        draw.text((2 * margin + size, top), name, _INK, font)
    return np.asarray(Image.alpha_composite(canvas, overlay).convert('RGB'))
