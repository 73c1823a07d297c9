"""Pieces of a page."""
import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape


def paragraph(text: str, kind: str = '') -> str:
    """Plain text as a paragraph; ``kind`` is ``'trap'`` for what should not be overlooked."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f'<p>{escape(text)}</p>'


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = (), kind: str = '') -> str:
    """Rows of plain text; the first cell of a row is its name, the others are values.

    Args:
        rows: Of one length.
        head: Over the columns; empty: no line of it.
        kind: A class of the page's style.
    """
    top = ''.join(f'<th>{escape(name)}' for name in head)
    body = ''.join(
        f'<tr><th scope="row">{escape(str(name))}'
        + ''.join(f'<td>{escape(str(value))}' for value in values)
        for name, *values in rows)
    return (f'<div class="wide"><table class="{kind}">{f"<tr>{top}" if top else ""}{body}'
            '</table></div>')


def facts(lines: Mapping[str, object]) -> str:
    """Names and what they are, one a line."""
    return table(lines.items(), kind='facts')


def picture(content: bytes, what: str) -> str:
    """A picture inside of the page; a click opens it at its own size."""
    kind = 'png' if content.startswith(b'\x89PNG') else 'jpeg'
    data = base64.b64encode(content).decode()
    return f'<img alt="{escape(what)}" src="data:image/{kind};base64,{data}">'


def beside(figures: Iterable[str]) -> str:
    """Pictures with their titles beside each other, where there is room."""
    return '<div class="beside">' + ''.join(f'<div>{one}</div>' for one in figures) + '</div>'


def chart_row(charts: Iterable[str]) -> str:
    """Charts beside each other, as many as fit."""
    return f'<div class="charts">{"".join(charts)}</div>'


def short(number: float) -> str:
    """A number of things in thousands, millions and so on."""
    for size, letter in ((1e15, 'P'), (1e12, 'T'), (1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if number >= size:
            return f'{number / size:.3g} {letter}'
    return f'{number:.3g}'


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, length in (('days', 86400.), ('hours', 3600.), ('minutes', 60.)):
        if seconds >= 2 * length:
            return f'{seconds / length:.3g} {unit}'
    return f'{seconds:.3g} seconds'
