"""The quickstart over several seeds: is the AMD student better, and by how much more than chance?

    python tools/quickstart_study.py --seeds 0 1 2

Each seed has a teacher and two students of its own; the videos are the same. Choose settings on
``--test-list val.txt`` and report ``test.txt``. Ends with a table, which ``study.json`` keeps.
"""
import argparse
import json
import os
import statistics
import sys
from pathlib import Path

from quickstart import CHANCE, NETWORKS, REPO, plan, read_top1

from amd_mm.command_line import number
from amd_mm.engine.stages import StageRunner, end_stages_when_killed
from amd_mm.failures import command


def summarise(top1: dict[str, list[float]]) -> dict[str, dict]:
    """Values, mean and standard deviation (unbiased) of each network and of AMD - VideoMAE.

    Args:
        top1: Fractions in [0, 1], one a seed, at least two, for each of ``NETWORKS``.
    """
    rows = dict(top1, difference=[amd - videomae for amd, videomae in zip(
        top1['amd_student'], top1['videomae_student'], strict=True)])
    return {name: dict(values=values, mean=statistics.mean(values), std=statistics.stdev(values))
            for name, values in rows.items()}


@command
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--test-list', default='test.txt', choices=['val.txt', 'test.txt'])
    parser.add_argument('--work-dir', type=Path, default=REPO / 'work_dirs/quickstart_study')
    parser.add_argument('--jobs', type=number(least=1), default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    if len(set(args.seeds)) < 2:
        parser.error('--seeds must be at least two different numbers: a spread is asked for')

    end_stages_when_killed()
    top1 = {name: [] for name in NETWORKS}
    for seed in args.seeds:
        print(f'seed {seed}', flush=True)
        run = args.work_dir / f'seed{seed}'
        StageRunner(run, args.jobs, REPO).run_all(plan(
            run, REPO / 'data/moving_digits', seed=seed, test_list=args.test_list))
        for name in NETWORKS:
            top1[name].append(read_top1(run, name))

    table = summarise(top1)
    (args.work_dir / 'study.json').write_text(json.dumps(dict(
        seeds=args.seeds, test_list=args.test_list, chance=CHANCE, **table), indent=1) + '\n')
    for name, row in table.items():
        values = '  '.join(f'{value:6.1%}' for value in row['values'])
        print(f'{name.replace("_", " "):<18}{values}   {row["mean"]:6.1%} +- {row["std"]:.1%}')


if __name__ == '__main__':
    sys.exit(main())
