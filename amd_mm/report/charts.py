"""Curves and bars as SVG that stands in a page."""
import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 420, 230, 66, 10, 30, 26
COLOURS = ('#1f6fb4', '#d1622b', '#3a8f4d', '#8a55a8', '#7a6a4f', '#b03a5b', '#2a9d9d', '#8c8c1f')
# A chart is drawn 420 wide: more points than these say nothing more.
MAX_POINTS = 300
# From this range on, curves of positive values are drawn by their logarithm.
_LOGARITHMIC = 50

Curve = Sequence[tuple[int, float]]


def draw_chart(title: str, curves: Mapping[str, Curve], unit: str = 'update') -> str:
    """One chart: linear, or logarithmic where positive values differ fiftyfold.

    Args:
        title: Stands above.
        curves: (step, value) by name, at least one point in all; each a line of its colour.
        unit: What steps count.

    Returns:
        A ``<figure>`` element.
    """
    curves = {name: thinned(points) for name, points in curves.items() if points}
    steps = [step for points in curves.values() for step, _ in points]
    values = [value for points in curves.values() for _, value in points]
    first, last, low, high = min(steps), max(steps), min(values), max(values)
    is_log = low > 0 and high / low >= _LOGARITHMIC
    scale = math.log if is_log else float
    bottom, top = scale(low), scale(high)

    def x(step: int) -> float:
        share = (step - first) / (last - first) if last > first else .5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        share = (scale(value) - bottom) / (top - bottom) if top > bottom else .5
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
             f'<text class="title" x="4" y="15">{escape(title)}'
             f'{" (logarithmic)" if is_log else ""}</text>']
    ticks = _ticks(low, high, is_log)
    for value, text in zip(ticks, _texts(ticks), strict=True):
        parts.append(f'<path class="grid" d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}"/>'
                     f'<text x="{LEFT - 5}" y="{y(value) + 4:.1f}" text-anchor="end">{text}'
                     '</text>')
    below = HEIGHT - BOTTOM + 15
    if last > first:
        parts.append(f'<text x="{LEFT}" y="{below}">{first}</text>'
                     f'<text x="{WIDTH - RIGHT}" y="{below}" text-anchor="end">{last}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{below}" text-anchor="middle">'
                 f'{escape(unit)}{"" if last > first else f" {first}"}</text>')
    for colour, points in zip(_colours(len(curves)), curves.values(), strict=True):
        line = ' '.join(f'{x(step):.1f},{y(value):.1f}' for step, value in points)
        parts.append(f'<polyline stroke="{colour}" points="{line}"/>')
        if len(points) <= 12:
            parts += [f'<circle r="2.5" fill="{colour}" cx="{x(step):.1f}" cy="{y(value):.1f}"/>'
                      for step, value in points]
    return f'<figure>{"".join(parts)}</svg>{_legend(list(curves))}</figure>'


def draw_bars(title: str, shares: Mapping[str, float], unit: str) -> str:
    """Bars below each other, each with its value.

    Args:
        title: Stands above.
        shares: Positive values by name, at least one.
        unit: Of the values.
    """
    height, largest = 24, max(shares.values()) or 1
    parts = [f'<text class="title" x="4" y="15">{escape(title)}</text>']
    for number, (name, value) in enumerate(shares.items()):
        top = TOP + number * height
        parts.append(f'<text x="92" y="{top + 13}" text-anchor="end">{escape(name)}</text>'
                     f'<rect x="98" y="{top}" height="18" width="{220 * value / largest:.1f}" '
                     f'fill="{COLOURS[0]}"/><text x="{104 + 220 * value / largest:.1f}" '
                     f'y="{top + 13}">{value:.3g} {escape(unit)}</text>')
    return (f'<figure><svg viewBox="0 0 {WIDTH} {TOP + len(shares) * height + 4}" role="img" '
            f'aria-label="{escape(title)}">{"".join(parts)}</svg></figure>')


def thinned(points: Curve) -> list[tuple[int, float]]:
    """At most :data:`MAX_POINTS` points: the means of neighbours, and the last point itself."""
    group = -(-len(points) // MAX_POINTS)
    if group == 1:
        return list(points)
    parts = [points[start:start + group] for start in range(0, len(points), group)]
    means = [(part[len(part) // 2][0], sum(value for _, value in part) / len(part))
             for part in parts]
    return [*means[:-1], points[-1]]


def _ticks(low: float, high: float, is_log: bool) -> list[float]:
    """Values of the axis: its ends and what lies between."""
    if low == high:
        return [low]
    if is_log:
        return [low, math.sqrt(low * high), high]
    return [low, (low + high) / 2, high]


def _texts(ticks: list[float]) -> list[str]:
    """Of three digits, or of as many as tell them apart."""
    for digits in range(3, 7):
        texts = [f'{value:.{digits}g}' for value in ticks]
        if len(set(texts)) == len(ticks):
            break
    return texts


def _colours(count: int) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(count)]


def _legend(names: list[str]) -> str:
    if len(names) < 2:
        return ''
    return '<figcaption>' + ' '.join(
        f'<span style="color:{colour}">&#9632; {escape(name)}</span>'
        for colour, name in zip(_colours(len(names)), names, strict=True)) + '</figcaption>'
