"""Curves as SVG that stands in a page."""
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 420, 220, 64, 24, 26
COLOURS = ('#1f6fb4', '#d1622b', '#3a8f4d', '#8a55a8', '#7a6a4f', '#b03a5b')


def draw_chart(title: str, curves: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """One chart with linear axes, whose ends are written beside it.

    Args:
        title: Stands above.
        curves: (step, value) by name, at least one point in all; each a line of its colour.

    Returns:
        An ``<svg>`` element.
    """
    steps = [step for points in curves.values() for step, _ in points]
    values = [value for points in curves.values() for _, value in points]
    first, last, low, high = min(steps), max(steps), min(values), max(values)

    def place(step: int, value: float) -> str:
        x = LEFT + (step - first) / ((last - first) or 1) * (WIDTH - LEFT - 8)
        y = HEIGHT - BOTTOM - (value - low) / ((high - low) or 1) * (HEIGHT - BOTTOM - TOP)
        return f'{x:.1f},{y:.1f}'

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
             f'<text x="{LEFT}" y="14">{escape(title)}</text>',
             f'<text x="{LEFT - 4}" y="{TOP + 4}" text-anchor="end">{high:.4g}</text>',
             f'<text x="{LEFT - 4}" y="{HEIGHT - BOTTOM}" text-anchor="end">{low:.4g}</text>',
             f'<text x="{LEFT}" y="{HEIGHT - 6}">{first}</text>',
             f'<text x="{WIDTH - 8}" y="{HEIGHT - 6}" text-anchor="end">{last}</text>']
    for number, (name, points) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        line = ' '.join(place(*point) for point in points)
        parts.append(f'<polyline fill="none" stroke="{colour}" points="{line}"/>')
        if len(curves) > 1:
            parts.append(f'<text x="{WIDTH - 8}" y="{14 + 13 * number}" text-anchor="end" '
                         f'fill="{colour}">{escape(name)}</text>')
    return ''.join([*parts, '</svg>'])
