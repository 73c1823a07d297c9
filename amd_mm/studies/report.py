"""What came out of a study: ``study.json``, a table in Markdown, and a picture."""
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amd_mm.studies.plan import pretraining_stage, test_stage, tuning_stage
from amd_mm.studies.statistics import Comparison, compare, holm
from amd_mm.studies.study import Study

# {'seeds': [0, 1], 'split': 'test', 'arms': {'amd': {'top1': [0.9, 0.8], ...}}}
Results = Mapping[str, Any]
OWN_COST, TEACHER_COST = 'cpu_seconds', 'teacher_cpu_seconds'


def collect(study: Study, run: Path, seeds: Sequence[int], split: str) -> Results:
    """Read what the stages left, of the seeds that are whole.

    Args:
        study: What was run.
        run: Its folder.
        seeds: That were asked for.
        split: Of ``study.splits``.

    Returns:
        ``seeds``, ``split``, ``chance``, ``compare`` and ``arms``: of each, by evaluation, one
        fraction a seed; ``cpu_seconds`` of its own pre-training and of all that was trained to
        judge it, and ``teacher_cpu_seconds``.

    Raises:
        ValueError: If a number is no fraction, as where a metric is in percent and ``best`` is 1.
    """
    found = {seed: _of_seed(study, run, seed, split) for seed in seeds}
    whole = [seed for seed in seeds if found[seed] is not None]
    arms: dict[str, dict[str, list[float]]] = {arm: {} for arm in study.arms}
    for seed in whole:
        for arm, values in (found[seed] or {}).items():
            for name, value in values.items():
                evaluation = study.evaluations.get(name)
                if evaluation and not 0 <= value <= 1:
                    raise ValueError(
                        f'The evaluation {name} must give fractions, got {value:g} for {arm}: set '
                        f'its best to what {evaluation.metric} says where all is right, such as '
                        '100 for percent.')
                arms[arm].setdefault(name, []).append(value)
    return dict(seeds=whole, split=split, chance=study.chance,
                compare=[list(pair) for pair in study.compare], arms=arms)


def _of_seed(study: Study, run: Path, seed: int,
             split: str) -> dict[str, dict[str, float]] | None:
    """Numbers of every arm; None where one is missing."""
    arms: dict[str, dict[str, float]] = {}
    try:
        for arm, setting in study.arms.items():
            row: dict[str, float] = {}
            chain = [] if setting.start is None else study.chain(setting.start)
            costs = [_cpu_seconds(run / pretraining_stage(study, seed, link)) for link in chain]
            own = sum(costs[-1:])
            for name, evaluation in study.evaluations.items():
                if study.config_of(arm, name) is None or (
                        setting.start is None and not evaluation.train):
                    continue
                newest = max((run / test_stage(seed, name, arm, split)).glob('*/*.json'))
                row[name] = json.loads(newest.read_text())[evaluation.metric] / evaluation.best
                if evaluation.train:
                    own += _cpu_seconds(run / tuning_stage(seed, name, arm))
            row[OWN_COST], row[TEACHER_COST] = own, sum(costs[:-1])
            arms[arm] = row
    except (FileNotFoundError, KeyError, ValueError):
        return None
    return arms


def _cpu_seconds(folder: Path) -> float:
    return json.loads((folder / 'stage.json').read_text())['cpu_seconds']


def judged_by(results: Results) -> list[str]:
    """The names of the evaluations in it, in the order of the study.

    Args:
        results: As :func:`collect` returns them.
    """
    return list(dict.fromkeys(name for row in results['arms'].values() for name in row
                              if name not in (OWN_COST, TEACHER_COST)))


def markdown(results: Results) -> str:
    """The table: a row an arm, a column a seed, and the paired comparisons below.

    Args:
        results: As :func:`collect` returns them, or read from ``study.json``.
    """
    seeds, arms = results['seeds'], results['arms']
    lines = []
    for name in judged_by(results):
        heads = ['arm', *(f'seed {seed}' for seed in seeds), 'mean', 'deviation', 'CPU seconds',
                 "teacher's"]
        lines += [f'{name}, percent, on {results["split"]}:', '', _row(heads),
                  _row(['---'] * len(heads))]
        for arm, row in arms.items():
            if name in row:
                values = row[name]
                lines.append(_row([
                    arm, *(f'{100 * value:.1f}' for value in values),
                    f'{100 * statistics.fmean(values):.1f}',
                    f'{100 * statistics.stdev(values):.1f}' if len(values) > 1 else '-',
                    *(f'{statistics.fmean(row[cost]):.0f}'
                      for cost in (OWN_COST, TEACHER_COST))]))
        lines.append('')
        compared = comparisons(results, name)
        if compared:
            lines += [_row(['difference', 'mean', '95 % interval', 't-test p', 'Holm',
                            'sign-flip p']), _row(['---'] * 6)]
            lines += [_row(cells) for cells in _comparison_rows(compared)] + ['']
    return '\n'.join(lines)


def comparisons(results: Results, name: str) -> dict[tuple[str, str], Comparison]:
    """The paired differences that the study asks for, where both arms have at least two seeds.

    Args:
        results: As :func:`collect` returns them.
        name: Of an evaluation.
    """
    arms = results['arms']
    return {(first, second): compare(arms[first][name], arms[second][name])
            for first, second in map(tuple, results['compare'])
            if len(results['seeds']) > 1 and name in arms[first] and name in arms[second]}


def _comparison_rows(compared: Mapping[tuple[str, str], Comparison]) -> list[list[str]]:
    tested = {pair: one.t_test for pair, one in compared.items() if one.t_test is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [[f'{first} - {second}', f'{100 * one.mean:+.1f}',
             f'{100 * (one.mean - one.half_width):+.1f} to '
             f'{100 * (one.mean + one.half_width):+.1f}',
             *(('-', '-') if one.t_test is None
               else (f'{one.t_test:.2g}', f'{corrected[first, second]:.2g}')),
             f'{one.sign_flip:.2g}'] for (first, second), one in compared.items()]


def _row(cells: Sequence[str]) -> str:
    return f'| {" | ".join(cells)} |'


def draw(results: Results, name: str, path: Path) -> None:
    """Draw a point for each seed and a mean for each arm; beside them paired differences, if any.

    Args:
        results: As :func:`collect` returns them.
        name: Of an evaluation.
        path: Of the picture.
    """
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot

    arms = {arm: row[name] for arm, row in results['arms'].items() if name in row}
    compared = comparisons(results, name)
    height = 1.2 + 0.4 * max(len(arms), len(compared))
    panels = 2 if compared else 1
    figure, axes = pyplot.subplots(
        1, panels, figsize=(5.5 * panels, height), layout='constrained', squeeze=False)
    left = axes[0, 0]
    for place, values in enumerate(arms.values()):
        left.plot([100 * value for value in values], [place] * len(values), 'o', color='tab:blue',
                  alpha=0.5)
        if values:
            left.plot(100 * statistics.fmean(values), place, '|', color='black', markersize=16)
    if results['chance'] is not None:
        left.axvline(100 * results['chance'], color='grey', linestyle=':', label='chance')
        # Above the axes: each point is a seed, which a legend over it would hide.
        left.legend(loc='lower right', bbox_to_anchor=(1, 1))
    left.set(yticks=range(len(arms)), yticklabels=list(arms),
             xlabel=f'{name}, percent, on {results["split"]}')
    left.set_ylim(max(len(arms), 1) - .5, -.5)  # the first row above
    if compared:
        right = axes[0, 1]
        for place, one in enumerate(compared.values()):
            right.errorbar(100 * one.mean, place, xerr=100 * one.half_width, fmt='o', capsize=4,
                           color='tab:blue')
        right.axvline(0, color='grey', linestyle=':')
        right.set(yticks=range(len(compared)), ylim=(len(compared) - .5, -.5),
                  yticklabels=[f'{first} - {second}' for first, second in compared],
                  xlabel='paired difference, points, 95 % interval')
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
