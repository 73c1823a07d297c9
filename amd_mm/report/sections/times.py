"""Where the time went, how fast it goes, and what it costs."""
from typing import Any

from amd_mm.report.charts import draw_bars, draw_chart
from amd_mm.report.html import chart_row, duration, facts, paragraph, short
from amd_mm.report.record import Record
from amd_mm.report.scalars import Curve, Curves
from amd_mm.report.sections.losses import recent

_CHARTS = ('data_wait_share', 'utilisation', 'memory')


def show(record: Record, curves: Curves) -> str:
    """Seconds of an update by part, throughput, cost so far and to go."""
    found = curves.updates
    if 'time' not in found:
        return ''
    charts = [draw_chart('seconds an update', {
        name: found[name] for name in ('time', 'data_time') if name in found})]
    charts += [draw_chart(name.replace('_', ' '), {name: points}) for name, points in found.items()
               if name in _CHARTS or name.endswith('_per_second')]
    times = record.read('times')
    text = ''
    if times.get('parts'):
        shares = {name: 100 * seconds / times['seconds']
                  for name, seconds in times['parts'].items()}
        if 'student' not in shares:
            # Of other models than ours the forward pass is not told from what is around it.
            shares['forward, rest'] = shares.pop('rest')
        charts.insert(0, draw_bars('share of an update by part', shares, '%'))
        text = paragraph(
            f'The parts were measured in {times["updates"]} updates, in which the device was '
            'waited for after each part; the rest is what none of them takes, as losses and hooks.')
    elif reason := times.get('reason'):
        text = paragraph(reason)
    return _costs(record, curves) + text + chart_row(charts)


def _costs(record: Record, curves: Curves) -> str:
    known, progress = record.read('facts'), record.read('progress')
    seconds = spent(curves.updates['time'])
    lines: dict[str, object] = {'training so far': duration(seconds)}
    if known and progress:
        lines |= _to_go(known, progress, curves, seconds)
        own = progress['report_seconds']
        lines['this page'] = f'{duration(own)}, {own / max(seconds, own):.2%} of training'
    return facts(lines)


def _to_go(known: dict[str, Any], progress: dict[str, Any], curves: Curves,
           seconds: float) -> dict[str, object]:
    devices, update = known['processes'], progress['update']
    left = (known['max_updates'] - update) * recent(curves.updates['time'])
    lines: dict[str, object] = {
        'to go': f'{duration(left)}, if it goes on as it does' if left else 'nothing',
        'device hours': f'{devices * seconds / 3600:.3g} so far, {devices * left / 3600:.3g} to go '
        f'({devices} {"processes" if devices > 1 else "process"})'}
    if flops := sum(known['flops'].values()) * known['inputs']:
        to_go = flops * (known['max_updates'] - update)
        lines['operations'] = (f'{short(flops * update)}FLOP so far, '
                               + (f'{short(to_go)}FLOP to go' if to_go else 'none to go'))
    return lines


def spent(times: Curve) -> float:
    """Seconds of all updates, of which some are logged: each stands for those since the last."""
    before, total = 0, 0.
    for step, value in times:
        total += (step - before) * value
        before = step
    return total
