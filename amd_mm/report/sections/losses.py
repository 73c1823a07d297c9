"""Losses, learning rate, gradients, and what outweighs what."""
import re
from typing import Any

from amd_mm.report.charts import draw_chart
from amd_mm.report.html import chart_row, paragraph
from amd_mm.report.record import Record
from amd_mm.report.scalars import Curve, Curves

# Alignment over pixels from which the page says so, as AMD says of its first batch.
DROWNING = 10
# Logged updates that are judged.
_LAST = 10
SHOWN_ELSEWHERE = re.compile(r'(time|data_time|memory|data_wait_share|utilisation|eta|base_lr'
                              r'|.*_per_second)')


def show(record: Record, curves: Curves) -> str:
    """Curves, a line where alignment drowns the pixels, and losses by pair of taps."""
    found = {name: points for name, points in curves.updates.items()
             if not SHOWN_ELSEWHERE.fullmatch(name)}
    parts = {name: points for name, points in found.items()
             if re.search(r'(^|[._])loss_', name)}
    if len(parts) < 2:
        parts = {}
    charts = [draw_chart('losses by part', parts)] if parts else []
    charts += [draw_chart(name, {name: points}) for name, points in found.items()
               if name not in parts]
    charts += [draw_chart(name, {name: points}, 'epoch or update')
               for name, points in curves.epochs.items() if not SHOWN_ELSEWHERE.fullmatch(name)]
    if not charts:
        return paragraph('Nothing was logged yet.')
    text = _trap(record, parts) + chart_row(charts) + _taps(record)
    if 'grad_norm' not in found:
        text += paragraph('The gradient norm is not logged: set optim_wrapper.clip_grad.')
    return text


def _trap(record: Record, parts: dict[str, Curve]) -> str:
    """What to say where alignment is so large beside the pixels that these do not count."""
    aligned = {name: recent(points) for name, points in parts.items()
               if re.match(r'loss_(dir|gen)(_|$)', name)}
    if 'loss_rec' not in parts or not aligned:
        return ''
    pixels = recent(parts['loss_rec'])
    ratio = sum(aligned.values()) / pixels if pixels > 0 else float('inf')
    beside = (f'Of late, alignment ({", ".join(aligned)}) is {ratio:.3g} times the pixel loss '
              f'({pixels:.3g}).')
    if ratio <= DROWNING:
        return paragraph(beside)
    if not record.read('facts').get('raw_features'):
        return paragraph(f'{beside} The pixels hardly count: lower the loss_weight of alignment.',
                         'trap')
    return paragraph(
        f'{beside} The targets are raw features of the teacher, and so large that the pixels do '
        'not count. AMD was released so, with a ViT-L for a teacher; what is better has to be '
        "tried (raw_features in docs/evidence.md). model.neck.direct.normalize='layer_norm' and "
        "model.neck.generation.normalize='layer_norm' make them of one scale; so does a smaller "
        'loss_weight there.', 'trap')


def _taps(record: Record) -> str:
    """Of the kept samples, at every checkpoint."""
    points = record.points('taps')
    charts = []
    for kind, title in (('losses', 'loss by pair of blocks, student and teacher'),
                        ('scale', "size (RMS) of the teacher's features")):
        curves = _by_name(points, kind)
        if curves:
            charts.append(draw_chart(title, curves))
    if not charts:
        return ''
    return '<h3>By tap</h3>' + paragraph(
        'Of samples of the first batch with the masks that stay the same.') + chart_row(charts)


def _by_name(points: list[dict[str, Any]], kind: str) -> dict[str, Curve]:
    curves: dict[str, list[tuple[int, float]]] = {}
    for point in points:
        for name, value in point[kind].items():
            curves.setdefault(name, []).append((point['update'], value))
    return dict(curves)


def recent(points: Curve) -> float:
    """The mean of the last logged values."""
    last = [value for _, value in points[-_LAST:]]
    return sum(last) / len(last)
