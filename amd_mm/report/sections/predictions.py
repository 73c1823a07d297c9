"""What a classifier predicts: where it errs, of which classes, and how surely."""
from html import escape
from typing import Any

from amd_mm.report.html import paragraph, picture, table
from amd_mm.report.record import Record
from amd_mm.report.scalars import Curves

# Classes of which a whole matrix can be read.
READABLE = 20
_LISTED = 20


def show(record: Record, curves: Curves) -> str:
    """Of the last validation."""
    known = record.read('predictions')
    if not known:
        return ''
    pairs: dict[tuple[int, int], int] = {
        (label, answer): count for label, answer, count in known['pairs']}
    total, right = sum(pairs.values()), sum(
        count for (label, answer), count in pairs.items() if label == answer)
    names = _names(known, pairs)
    return (paragraph(f'Of the validation at update {known["update"]:,}: {right:,} of {total:,} '
                      f'right ({right / total:.1%}); chance of {len(names)} classes is '
                      f'{1 / len(names):.1%}.')
            + _matrix(pairs, names) + _by_class(pairs, names) + _mistakes(record, known, names))


def _names(known: dict[str, Any], pairs: dict[tuple[int, int], int]) -> list[str]:
    """Of classes, by label: their names, or numbers where the data says none."""
    count = 1 + max(max(pair) for pair in pairs)
    given = list(known.get('classes') or ())
    return given if len(given) >= count else [*given, *map(str, range(len(given), count))]


def _matrix(pairs: dict[tuple[int, int], int], names: list[str]) -> str:
    head = '<h3>Confusion matrix</h3>'
    if len(names) > READABLE:
        worst = sorted(((count, label, answer) for (label, answer), count in pairs.items()
                        if label != answer), reverse=True)[:_LISTED]
        return head + paragraph(
            f'{len(names)} classes are too many for a matrix; the most frequent confusions:'
        ) + table(((names[label], names[answer], count) for count, label, answer in worst),
                  ('class', 'taken for', 'times'))
    most = max(sum(pairs.get((label, answer), 0) for answer in range(len(names)))
               for label in range(len(names))) or 1
    rows = ''
    for label, name in enumerate(names):
        cells = ''
        for answer in range(len(names)):
            count = pairs.get((label, answer), 0)
            colour = '31,111,180' if label == answer else '209,98,43'
            cells += (f'<td style="background:rgba({colour},{.65 * count / most:.2f})">'
                      f'{count or ""}')
        rows += f'<tr><th scope="row">{escape(name)}{cells}'
    top = ''.join(f'<th>{escape(name)}' for name in names)
    return (head + paragraph('A row a class, a column an answer.')
            + f'<div class="wide"><table class="matrix"><tr><th>{top}{rows}</table></div>')


def _by_class(pairs: dict[tuple[int, int], int], names: list[str]) -> str:
    rows = []
    for label, name in enumerate(names):
        total = sum(count for (true, _), count in pairs.items() if true == label)
        if total:
            right = pairs.get((label, label), 0)
            rows.append((right / total, name, f'{right / total:.1%}', f'{right} of {total}'))
    rows.sort()
    shown = rows if len(rows) <= 2 * _LISTED else rows[:_LISTED]
    text = '' if len(shown) == len(rows) else paragraph(
        f'The {len(shown)} worst of {len(rows)} classes.')
    return '<h3>Accuracy by class</h3>' + text + table(
        (row[1:] for row in shown), ('class', 'accuracy', 'right'))


def _mistakes(record: Record, known: dict[str, Any], names: list[str]) -> str:
    figures = ''
    for one in known['mistakes']:
        content = record.picture(one['picture'])
        if content is not None:
            text = (f'{names[one["label"]]}, taken for {names[one["answer"]]} '
                    f'({one["score"]:.0%}) {one["name"]}')
            figures += f'<figure>{picture(content, text)}<figcaption>{escape(text)}</figcaption>'
            figures += '</figure>'
    if not figures:
        return ''
    return f'<h3>Surest mistakes</h3><div class="mistakes">{figures}</div>'
