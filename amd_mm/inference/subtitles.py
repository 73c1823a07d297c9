"""Cues as files that players show over a video: SRT and WebVTT."""
import html
from collections.abc import Callable, Iterable
from pathlib import Path

from amd_mm.datasets.files import printable
from amd_mm.inference.timeline import Cue


def write_srt(path: Path, cues: Iterable[Cue], title: Callable[[Cue], str]) -> None:
    """Write SubRip's form.

    Args:
        path: The file.
        cues: In order.
        title: What stands in a cue; of one line.
    """
    with path.open('w', encoding='utf-8') as file:
        for number, cue in enumerate(cues, 1):
            times = f'{_clock(cue.start, ",")} --> {_clock(cue.end, ",")}'
            file.write(f'{number}\n{times}\n{printable(title(cue))}\n\n')


def write_vtt(path: Path, cues: Iterable[Cue], title: Callable[[Cue], str]) -> None:
    """Write WebVTT, for browsers; arguments as :func:`write_srt`."""
    with path.open('w', encoding='utf-8') as file:
        file.write('WEBVTT\n\n')
        for cue in cues:
            times = f'{_clock(cue.start, ".")} --> {_clock(cue.end, ".")}'
            file.write(f'{times}\n{html.escape(printable(title(cue)), quote=False)}\n\n')


def _clock(seconds: float, point: str) -> str:
    """Hours, minutes, seconds and thousandths."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f'{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}'
