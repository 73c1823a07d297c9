"""The page of a run, from its record."""
import os
from pathlib import Path

from amd_mm.report.html import paragraph
from amd_mm.report.page import write_page
from amd_mm.report.record import Record
from amd_mm.report.scalars import read_scalars
from amd_mm.report.sections import SECTIONS


def write_report(work_dir: str | Path, path: str | Path | None = None) -> Path:
    """Write the page of a run that goes on, was killed, or has ended.

    Args:
        work_dir: Of the run.
        path: Of the page; None: ``report/index.html`` in the work dir.

    Returns:
        Where it is.
    """
    record, curves = Record(work_dir), read_scalars(work_dir)
    path = Path(path) if path else record.page
    failures = record.read('failures')
    sections = {}
    for name, show in SECTIONS.items():
        try:
            html = show(record, curves)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # A record of another version, or one that somebody changed.
            html = paragraph(f'Not shown: {type(error).__name__}: {error}')
        html += ''.join(paragraph(f'Not shown: {reason}')
                        for part, reason in failures.items() if part.partition(':')[0] == name)
        if html:
            sections[name] = html
    update = record.read('progress').get('update')
    title = Path(os.path.abspath(work_dir)).name
    write_page(path, title if update is None else f'{title}, update {update:,}', sections)
    return path
