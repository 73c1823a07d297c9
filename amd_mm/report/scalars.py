"""The numbers that a run logged."""
import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

# Of the log's own lines, not figures of the run.
NOT_CURVES = frozenset({'step', 'epoch', 'iter'})


Curve = list[tuple[int, float]]


class Curves(NamedTuple):
    """What a run logged: (step, value) by name, by rising step.

    Attributes:
        updates: Of training, whose steps are updates.
        epochs: Of validation, whose steps are epochs, or updates where a run counts no epochs.
    """
    updates: dict[str, Curve]
    epochs: dict[str, Curve]

    @property
    def all(self) -> dict[str, Curve]:
        """Both, by name."""
        return {**self.updates, **self.epochs}


def read_scalars(work_dir: str | Path) -> Curves:
    """The curves of a work dir, all its starts joined, from MMEngine's ``scalars.json``.

    Args:
        work_dir: Of one run; each start has a folder of its own in it.

    Returns:
        The curves. A step that a resumed run repeats has the later value; what is not a finite
        number, or a line cut off by a kill, is left out.
    """
    found: tuple[dict[str, dict[int, float]], ...] = ({}, {})
    for file in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in file.read_text(errors='replace').splitlines():
            try:
                logged = json.loads(line)
            except json.JSONDecodeError:
                continue
            if not isinstance(logged, dict) or 'step' not in logged:
                continue
            # Lines of training say their iteration, those of validation do not.
            curves = found['iter' not in logged]
            for name, value in logged.items():
                if (name not in NOT_CURVES and isinstance(value, int | float)
                        and math.isfinite(value)):
                    curves.setdefault(name, {})[int(logged['step'])] = float(value)
    return Curves(*({name: sorted(points.items()) for name, points in curves.items()}
                    for curves in found))


def write_csv(path: str | Path, runs: Mapping[str, Mapping[str, Curve]]) -> None:
    """Write curves as lines of run, name, step, value.

    Args:
        path: The file.
        runs: Curves by name, by run.
    """
    with Path(path).open('w', newline='', encoding='utf-8') as stream:
        writer = csv.writer(stream)
        writer.writerow(('run', 'curve', 'step', 'value'))
        writer.writerows((run, name, step, value) for run, curves in runs.items()
                         for name, points in curves.items() for step, value in points)
