"""Draw docs/pictures/method.png: ``python docs/make_pictures.py``.

The masks are drawn by the package's own generator, the photograph is scikit-image's (CC0).
"""
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from skimage import data, transform

from amd_mm.models.masks import AsymmetricMaskGenerator
from amd_mm.tokens import TokenGrid

PLACES, PATCH = 8, 28
STUDENT, TEACHER, HIDDEN, INK = '#1f77b4', '#d9730d', '#e3e6ea', '#24292f'


def show_tokens(picture: np.ndarray, tokens: torch.Tensor) -> np.ndarray:
    """The picture with all tokens hidden but these."""
    shown = np.empty_like(picture)
    shown[:] = matplotlib.colors.to_rgb(HIDDEN)
    for token in tokens.tolist():
        row, column = divmod(token, PLACES)
        place = np.s_[row * PATCH:(row + 1) * PATCH, column * PATCH:(column + 1) * PATCH]
        shown[place] = picture[place]
    return shown


def frame_tokens(axis: Axes, tokens: torch.Tensor, colour: str) -> None:
    """Draw a frame around each of these tokens."""
    for token in tokens.tolist():
        row, column = divmod(token, PLACES)
        axis.add_patch(pyplot.Rectangle(
            (column * PATCH + .5, row * PATCH + .5), PATCH - 2, PATCH - 2, fill=False,
            edgecolor=colour, linewidth=1.6))


def draw(out: Path) -> None:
    """Write the drawing."""
    side = PLACES * PATCH
    picture = transform.resize(data.chelsea()[:300, 75:375], (side, side), anti_aliasing=True)
    masks = AsymmetricMaskGenerator(
        TokenGrid((PLACES, PLACES), (PATCH, PATCH)), 'random', student_ratio=.75, teacher_ratio=.5)
    mask = masks(torch.tensor([7]))
    visible, extra, masked = mask.visible[0], mask.extra[0], mask.masked[0]

    # White behind everything: the same on a dark page.
    figure = pyplot.figure(figsize=(12, 5.2), facecolor='white')
    canvas = figure.add_axes((0, 0, 1, 1), xlim=(0, 12), ylim=(0, 5.2))
    canvas.axis('off')

    def image(left: float, bottom: float, size: float, title: str, pixels: np.ndarray) -> Axes:
        axis = figure.add_axes((left / 12, bottom / 5.2, size / 12, size / 5.2))
        axis.imshow(pixels)
        axis.axis('off')
        canvas.text(left + size / 2, bottom + size + .1, title, ha='center', va='bottom',
                    fontsize=11, color=INK)
        return axis

    def box(left: float, bottom: float, width: float, text: str, colour: str) -> None:
        canvas.add_patch(FancyBboxPatch(
            (left, bottom), width, .8, boxstyle='round,pad=0.03,rounding_size=0.12',
            facecolor=colour, edgecolor='none'))
        canvas.text(left + width / 2, bottom + .4, text, ha='center', va='center', fontsize=11,
                    color='white', linespacing=1.3)

    def arrow(start: tuple[float, float], end: tuple[float, float], colour: str,
              style: str = '-|>') -> None:
        canvas.add_patch(FancyArrowPatch(
            start, end, arrowstyle=style, mutation_scale=15, color=colour, linewidth=1.8,
            shrinkA=0, shrinkB=0))

    image(.25, 1.6, 1.9, 'input', picture)
    teacher = image(2.95, 2.95, 1.75, 'the teacher sees half', show_tokens(
        picture, torch.cat([visible, extra])))
    frame_tokens(teacher, visible, STUDENT)
    frame_tokens(teacher, extra, TEACHER)
    student = image(2.95, .35, 1.75, 'the student sees a quarter', show_tokens(picture, visible))
    frame_tokens(student, visible, STUDENT)
    arrow((2.25, 2.85), (2.85, 3.6), INK)
    arrow((2.25, 2.25), (2.85, 1.5), INK)

    box(5.3, 3.45, 1.5, 'large teacher\n(frozen)', TEACHER)
    box(5.3, .85, 1.5, 'small student\n(trained)', STUDENT)
    arrow((4.8, 3.85), (5.25, 3.85), TEACHER)
    arrow((4.8, 1.25), (5.25, 1.25), STUDENT)
    box(7.5, .85, 1.2, 'decoder', '#57606a')
    arrow((6.85, 1.25), (7.45, 1.25), STUDENT)
    arrow((8.75, 1.25), (9.55, 1.25), '#57606a')
    image(9.65, .35, 1.75, 'target: the pixels it did not see', show_tokens(picture, masked))
    canvas.text(9.15, 1.42, 'predict', ha='center', fontsize=10, color=INK)

    # Features of both, token by token.
    def features(left: float, bottom: float, count: int, colour: str, filled: bool = True) -> None:
        for place in range(count):
            canvas.add_patch(pyplot.Rectangle(
                (left + .2 * place, bottom), .15, .38, facecolor=colour if filled else 'white',
                edgecolor=colour, linewidth=1.4))

    features(7.5, 3.66, 6, TEACHER)
    features(9.65, 3.66, 6, TEACHER)
    features(7.5, 2.65, 6, STUDENT)
    features(9.65, 2.65, 6, STUDENT, filled=False)
    arrow((6.85, 3.85), (7.42, 3.85), TEACHER)
    arrow((6.5, 1.7), (7.42, 2.75), STUDENT)
    for centre, text in ((8.07, 'direct alignment:\nwhere both see'),
                         (10.22, 'generation:\nwhere only the teacher sees')):
        arrow((centre, 3.6), (centre, 3.1), INK, '<|-|>')
        canvas.text(centre, 4.17, text, ha='center', va='bottom', fontsize=10, color=INK,
                    linespacing=1.3)
    arrow((8.75, 2.84), (9.58, 2.84), STUDENT)
    canvas.text(9.16, 2.92, 'generate', ha='center', fontsize=10, color=INK)
    figure.savefig(out, dpi=130)


if __name__ == '__main__':
    draw(Path(__file__).resolve().parent / 'pictures' / 'method.png')
