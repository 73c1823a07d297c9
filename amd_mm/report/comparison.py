"""Several runs side by side, and curves alone."""
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amd_mm.report.charts import draw_chart
from amd_mm.report.html import chart_row, duration, paragraph, picture, short, table
from amd_mm.report.page import write_page
from amd_mm.report.record import Record
from amd_mm.report.scalars import Curves, read_scalars, write_csv
from amd_mm.report.sections.losses import SHOWN_ELSEWHERE
from amd_mm.report.sections.times import spent

_UNITS = dict(updates='update', epochs='epoch or update')


def write_comparison(work_dirs: Sequence[str | Path], path: str | Path,
                     names: Sequence[str] | None = None) -> None:
    """A page with the facts of runs beside each other, and a chart a figure with all of them.

    Args:
        work_dirs: Of the runs.
        path: Of the page.
        names: Of the curves; None: all, with facts and last reconstructions.

    Raises:
        ValueError: If a run logged nothing, or none of them a curve that is asked for.
    """
    runs = _read(work_dirs, names)
    sections = {}
    if not names:
        records = {name: Record(folder) for name, folder
                   in zip(runs, work_dirs, strict=True)}
        sections['Runs'] = table(_facts(records, runs), ('', *runs))
        if strips := ''.join(_strip(name, record) for name, record in records.items()):
            sections['Reconstructions'] = strips
    sections['Curves'] = chart_row(
        draw_chart(name, {run: points for run, curves in runs.items()
                          if (points := getattr(curves, kind).get(name))}, unit)
        for kind, unit in _UNITS.items() for name in _names(runs, kind, names))
    write_page(path, ', '.join(runs), sections)


def write_curves(work_dirs: Sequence[str | Path], path: str | Path,
                 names: Sequence[str] | None = None) -> None:
    """The curves of runs as a .csv of run, curve, step, value; arguments as above.

    Raises:
        ValueError: As :func:`write_comparison` does.
    """
    write_csv(path, {run: {name: points for name, points in curves.all.items()
                           if not names or name in names}
                     for run, curves in _read(work_dirs, names).items()})


def _read(work_dirs: Sequence[str | Path], names: Sequence[str] | None) -> dict[str, Curves]:
    """Curves by what tells the work dirs apart."""
    paths = [Path(os.path.abspath(folder)) for folder in work_dirs]
    short_names = [path.name for path in paths]
    if len(set(short_names)) < len(paths):
        short_names = [str(folder) for folder in work_dirs]
    runs = {name: read_scalars(path) for name, path in zip(short_names, paths, strict=True)}
    for name, folder in zip(runs, work_dirs, strict=True):
        if not runs[name].all:
            raise ValueError(
                f'{folder}: a run must have logged something, but there is no line in '
                f'{folder}/*/vis_data/scalars.json; name the work dir of a run of MMEngine')
    known = sorted({name for curves in runs.values() for name in curves.all})
    if missing := sorted(set(names or ()) - set(known)):
        raise ValueError(f'--curves must be what a run logged, got {", ".join(missing)}; these '
                         f'are: {", ".join(known)}')
    return runs


def _names(runs: dict[str, Curves], kind: str, wanted: Sequence[str] | None) -> list[str]:
    found = {name: None for curves in runs.values() for name in getattr(curves, kind)}
    return [name for name in wanted or found if name in found]


def _facts(records: dict[str, Record], runs: dict[str, Curves]) -> list[list[str]]:
    rows: dict[str, list[str]] = {}
    for name, record in records.items():
        for label, value in _facts_of(record, runs[name]).items():
            rows.setdefault(label, [''] * len(records))[list(records).index(name)] = value
    return [[label, *values] for label, values in rows.items()]


def _facts_of(record: Record, curves: Curves) -> dict[str, str]:
    known, progress = record.read('facts'), record.read('progress')
    found: dict[str, Any] = {name: value for name, value in known.get('header', {}).items()
                             if name in ('method', 'networks', 'data', 'batch', 'schedule')}
    if progress:
        found['updates'] = f'{progress["update"]:,} of {known["max_updates"]:,}'
    if 'time' in curves.updates:
        found['training'] = duration(spent(curves.updates['time']))
    if flops := sum(known.get('flops', {}).values()):
        found['an input'] = f'{short(flops)}FLOP'
    for name, points in curves.all.items():
        if not SHOWN_ELSEWHERE.fullmatch(name) and (
                name in curves.epochs or re.search('loss|acc', name)):
            found[f'last {name}'] = f'{points[-1][1]:.4g}'
    for name in ('health', 'neighbours'):
        for figure in ('effective_rank', 'top1'):
            if (known_so_far := record.points(name)) and figure in known_so_far[-1]:
                found[figure.replace('_', ' ')] = f'{known_so_far[-1][figure]:.4g}'
    return found


def _strip(name: str, record: Record) -> str:
    points = record.points('reconstructions')
    content = record.picture(points[-1]['picture']) if points else None
    if content is None:
        return ''
    return (paragraph(f'{name}, update {points[-1]["update"]:,}')
            + picture(content, f'reconstruction of {name}'))
