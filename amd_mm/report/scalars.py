"""The numbers that a run logged."""
import json
import math
from pathlib import Path

# Of the log's own lines, not figures of the run.
NOT_CURVES = frozenset({'step', 'epoch', 'iter'})


def read_scalars(work_dir: str | Path) -> dict[str, list[tuple[int, float]]]:
    """The curves of a work dir, all its starts joined, from MMEngine's ``scalars.json``.

    Args:
        work_dir: Of one run; each start has a folder of its own in it.

    Returns:
        (step, value) by name, by rising step. A step that a resumed run repeats has the later
        value; what is not a finite number, or a line cut off by a kill, is left out.
    """
    curves: dict[str, dict[int, float]] = {}
    for file in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            try:
                logged = json.loads(line)
            except json.JSONDecodeError:
                continue
            if not isinstance(logged, dict) or 'step' not in logged:
                continue
            for name, value in logged.items():
                if (name not in NOT_CURVES and isinstance(value, int | float)
                        and math.isfinite(value)):
                    curves.setdefault(name, {})[int(logged['step'])] = float(value)
    return {name: sorted(points.items()) for name, points in curves.items()}
