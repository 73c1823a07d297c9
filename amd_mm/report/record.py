"""What a run has told of itself so far: facts as JSON and pictures, in its work dir."""
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Below the work dir.
FOLDER = 'report'


class Record:
    """The record of one run, ``report/record`` in its work dir.

    The hook writes it while the run goes on, and every page is made of it alone; so a page can
    be made again after the run, or after a kill. Every file is whole or not there.

    Args:
        work_dir: Of the run.
    """

    def __init__(self, work_dir: str | Path) -> None:
        self.work_dir = Path(work_dir)
        self.folder = self.work_dir / FOLDER / 'record'

    @property
    def page(self) -> Path:
        """Where the page is."""
        return self.work_dir / FOLDER / 'index.html'

    def clear(self) -> None:
        """Forget an earlier run of the same work dir."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.page.is_file():
            self.page.unlink()

    def read(self, name: str) -> dict[str, Any]:
        """What was kept under a name; nothing if nothing was, or it cannot be read."""
        try:
            found = json.loads((self.folder / f'{name}.json').read_text(encoding='utf-8'))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, name: str, facts: Mapping[str, Any]) -> None:
        """Keep facts under a name, in place of earlier ones."""
        self._write(f'{name}.json', json.dumps(facts, indent=1).encode())

    def write_picture(self, name: str, content: bytes) -> None:
        """Keep an encoded picture; its name ends as its format does."""
        self._write(name, content)

    def picture(self, name: str) -> bytes | None:
        """A picture, None where there is none."""
        path = self.folder / name
        return path.read_bytes() if path.is_file() else None

    def points(self, name: str) -> list[dict[str, Any]]:
        """What was kept by :meth:`add_point`, by rising update."""
        return list(self.read(name).get('points', ()))

    def add_point(self, name: str, update: int, facts: Mapping[str, Any],
                  keep: int | None = None) -> None:
        """Keep facts of an update besides those of earlier ones.

        Later ones, of a run that was taken up from an earlier checkpoint, are forgotten.

        Args:
            name: As in :meth:`write`.
            update: How many there were.
            facts: Of that moment. Names of pictures in it under ``picture``.
            keep: How many there are at most: the first, and the latest; None: all.
        """
        before = [point for point in self.points(name) if point['update'] < update]
        points = [*before, dict(facts, update=update)]
        if keep is not None and len(points) > keep:
            points = [points[0], *points[len(points) - keep + 1:]]
        kept = {point.get('picture') for point in points}
        self.write(name, dict(points=points))
        for point in before:
            if (unused := point.get('picture')) and unused not in kept:
                (self.folder / unused).unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        write_whole(self.folder / name, content)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f'{path.name}.tmp')
    unfinished.write_bytes(content)
    os.replace(unfinished, path)
