"""Arms x seeds of a study file: pre-train, fine-tune or probe, test, and compare.

    python tools/study.py tools/studies/quickstart.py --seeds 100 101 --split val
    python tools/study.py tools/studies/quickstart.py --seeds 0 1 2 3 4 --split test

Every stage is one run of tools/train.py or tools/test.py on one thread. What ended with the same
settings is not run again, what was interrupted goes on from its last checkpoint, and a teacher is
trained once a seed for all arms. study.json, study.md and a picture a kind of evaluation are
written into the work dir, of the seeds that are whole, also when the study is stopped.

Choose settings with seeds from 100 up on --split val; make the table once, on test.
"""
import argparse
import json
import os
import sys
from pathlib import Path

from amd_mm.arguments import number, parse_first
from amd_mm.failures import command


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('study', type=Path)
    parser.add_argument('--seeds', type=int, nargs='+', default=[100, 101])
    parser.add_argument('--arms', nargs='+', help='only these rows; the others can be added later, '
                        'in the same work dir (default: all)')
    parser.add_argument('--evaluations', nargs='+', help='only these ways to judge; the others can '
                        'be added later likewise (default: all)')
    parser.add_argument('--split', default='val', help='of the test videos (default: val)')
    parser.add_argument('--work-dir', type=Path, help='default: below work_dirs/studies/')
    parser.add_argument('--jobs', type=number(least=1), default=len(os.sched_getaffinity(0)),
                        help='stages to run side by side (default: the number of cores)')
    args = parser.parse_args()
    if len(set(args.seeds)) < len(args.seeds):
        parser.error('--seeds must be different numbers: a repeated one is no new evidence')
    return args


parse_first(__name__, parse_args)

from amd_mm.engine.stages import StageRunner, end_stages_when_killed
from amd_mm.export.writing import replacing
from amd_mm.studies import Study, collect, draw, markdown, plan_study, read_study

REPO = Path(__file__).resolve().parents[1]


def write(study: Study, run: Path, seeds: list[int], split: str) -> str:
    """Write study.json, study.md and the pictures; return the table."""
    results = collect(study, run, seeds, split)
    table = markdown(results)
    for name, text in (('study.json', json.dumps(results, indent=1) + '\n'), ('study.md', table)):
        with replacing(run / name) as temporary:
            temporary.write_text(text)
    for name in study.evaluations:
        draw(results, name, run / f'{name}.png')
    return table


@command
def main() -> None:
    args = parse_args()
    study = read_study(args.study)
    if args.arms:
        study = study.of_arms(args.arms)
    if args.evaluations:
        study = study.of_evaluations(args.evaluations)
    if args.split not in study.splits:
        raise ValueError(f'--split must be one of {", ".join(study.splits)}, got {args.split}; '
                         f'{args.study} names them')
    run = (args.work_dir or REPO / 'work_dirs/studies' / args.study.stem).absolute()
    run.mkdir(parents=True, exist_ok=True)

    end_stages_when_killed()
    stages = {stage.name: stage for seed in args.seeds
              for stage in plan_study(study, run, seed, args.split)}
    try:
        StageRunner(run, args.jobs, REPO).run_all(list(stages.values()))
    finally:
        table = write(study, run, args.seeds, args.split)
    print(table)
    print(f'{run}: study.json, study.md, {", ".join(f"{name}.png" for name in study.evaluations)}')


if __name__ == '__main__':
    sys.exit(main())
