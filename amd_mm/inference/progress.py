"""How far a run over many files is, for who waits, and what could not be read."""
import sys
from collections.abc import Sequence
from pathlib import Path

from amd_mm.datasets.files import printable
from amd_mm.export.writing import replacing
from amd_mm.inference.journal import FileEnd
from amd_mm.inference.window_run import Progress


class Line:
    """A line on a terminal that is written again and again; nothing where there is none.

    Args:
        files: All files of the run.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __call__(self, progress: Progress) -> None:
        """Show how far the run is."""
        if not sys.stderr.isatty():
            return
        minutes, seconds = divmod(int(progress.seconds), 60)
        name = printable(self.files[progress.file].name)
        sys.stderr.write(f'\r\033[K[{progress.file + 1}/{len(self.files)}] {name} '
                         f'{minutes // 60}:{minutes % 60:02}:{seconds:02}\r')
        sys.stderr.flush()


def list_failed(path: Path, ends: Sequence[FileEnd]) -> int:
    """Write why files could not be read, a line each; no file where all could.

    Returns:
        How many there are.
    """
    errors = [end.error for end in ends if end.error is not None]
    if errors:
        with replacing(path) as temporary:
            temporary.write_text(''.join(f'{printable(error)}\n' for error in errors), 'utf-8')
    else:
        path.unlink(missing_ok=True)
    return len(errors)
