"""The whole story on real videos in minutes: teacher, two students, fine-tuning, tests, pictures.

The same fine-tuning from random weights stands beside them.

Every stage is one run of ``tools/train.py``, ``tools/test.py`` or a script beside them, with a
config of ``configs/quickstart``; this file knows only their order. A stage that ended is not run
again until its command, its config or a stage that it needs changes; one that was interrupted goes
on from its last checkpoint. Stages that do not need each other run side by side, each on one
thread, so the numbers do not depend on how many there are.

``tools/quickstart.sh`` calls this after installing what it needs.
"""
import argparse
import json
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

from amd_mm.arguments import number, parse_first
from amd_mm.failures import command


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--smoke', action='store_true',
                        help='every step on a handful of videos; the numbers mean nothing')
    parser.add_argument('--transfer', action='store_true',
                        help='linear probe, nearest neighbours and features of the students, too')
    parser.add_argument('--jobs', type=number(least=1), default=len(os.sched_getaffinity(0)),
                        help='stages to run side by side (default: the number of cores)')
    parser.add_argument('--elapsed', type=float, default=0.,
                        help='seconds that were spent before this, on the installation')
    return parser.parse_args()


parse_first(__name__, parse_args)

from mmengine.config import Config

from amd_mm.engine.stages import Stage, StageRunner, end_stages_when_killed

REPO = Path(__file__).resolve().parents[1]
CONFIGS = REPO / 'configs/quickstart'
WORK_DIR = REPO / 'work_dirs/quickstart'
STUDENTS = ('videomae_student', 'amd_student')
PRETRAINED = (*STUDENTS, 'teacher')
# The row that could embarrass the others: the students' network from random weights.
NETWORKS = ('scratch', *PRETRAINED)
CHANCE = 1 / 8
SMOKE_DATA = dict(train=32, labelled=32, val=8, test=16)
SMOKE_EPOCHS = 2


def plan(run: Path, data: Path, seed: int = 0, smoke: bool = False,
         test_list: str = 'test.txt', transfer: bool = False) -> list[Stage]:
    """All stages, the longest chain first.

    Args:
        run: Folder of this run; each stage works in ``run/<its name>``.
        data: Folder of the videos, which are made where they are missing.
        seed: Of initial weights, order, crops and masks.
        smoke: A handful of videos and two epochs: every step, and numbers that mean nothing.
        test_list: Which list of ``data`` to test on.
        transfer: Linear probe, nearest neighbours and features of both students as well.
    """
    amounts = [f'--{name}={value}' for name, value in SMOKE_DATA.items()] if smoke else []
    videos = Stage('data', (sys.executable, 'tools/data/moving_digits.py', f'--out={data}',
                            *amounts), data / test_list)

    def train(name: str, config_name: str, needs: Stage, *options: str) -> Stage:
        config = CONFIGS / f'{config_name}.py'
        epochs = Config.fromfile(config).train_cfg.max_epochs
        if smoke:
            epochs = SMOKE_EPOCHS
            options += (f'train_cfg.max_epochs={epochs}', 'train_dataloader.batch_size=8',
                        'global_batch_size=8')
        return Stage(name, (
            sys.executable, 'tools/train.py', str(config), '--resume', '--work-dir',
            str(run / name), '--cfg-options', f'randomness.seed={seed}', *options),
            run / name / f'epoch_{epochs}.pth', config, (needs, ))

    def test(name: str, trained: Stage, *options: str) -> Stage:
        return Stage(f'test_{name}', (
            sys.executable, 'tools/test.py', str(trained.config), str(trained.output),
            '--work-dir', str(run / f'test_{name}'), '--cfg-options',
            f'test_dataloader.dataset.data_root={data}',
            f'test_dataloader.dataset.ann_file={test_list}', *options),
            run / f'test_{name}', trained.config, (trained, ))

    def pretrain(name: str, needs: Stage, *options: str) -> Stage:
        return train(f'pretrain_{name}', f'pretrain_{name}', needs,
                     f'train_dataloader.dataset.dataset.data_root={data}', *options)

    teacher = pretrain('teacher', videos)
    amd_student = pretrain('amd_student', teacher, f'model.teacher.checkpoint={teacher.output}')
    videomae_student = pretrain('videomae_student', videos)
    stages = [videos, teacher, amd_student, videomae_student]

    def finetune(name: str, config_name: str, needs: Stage, weights: str) -> None:
        tuned = train(f'finetune_{name}', config_name, needs,
                      f'train_dataloader.dataset.dataset.data_root={data}',
                      f'model.backbone.init_cfg{weights}')
        stages.extend([tuned, test(name, tuned)])

    finetune('scratch', 'finetune_student', videos, '=None')
    for name, pretrained in zip(PRETRAINED, (videomae_student, amd_student, teacher), strict=True):
        finetune(name, 'finetune_' + name.split('_')[-1], pretrained,
                 f'.checkpoint={pretrained.output}')
        if transfer and name in STUDENTS:
            probed = train(f'probe_{name}', 'probe_student', pretrained,
                           f'train_dataloader.dataset.dataset.data_root={data}',
                           f'model.backbone.init_cfg.checkpoint={pretrained.output}')
            neighbours = replace(pretrained, config=CONFIGS / 'knn_student.py')
            stages += [probed, test(f'probe_{name}', probed),
                       test(f'knn_{name}', neighbours,
                            f'model.gallery.dataset.data_root={data}')]
            features = run / f'features_{name}' / 'test.npz'
            stages.append(Stage(f'features_{name}', (
                sys.executable, 'tools/extract_features.py', str(pretrained.config),
                str(pretrained.output), str(data / test_list), '--out', str(features),
                '--batch-size', '100'), features, pretrained.config, (pretrained, )))
    pictures = run / 'reconstruction'
    stages.append(Stage('reconstruction', (
        sys.executable, 'tools/visualizations/vis_reconstruction.py', str(amd_student.config),
        str(amd_student.output), str(data / 'videos/val/00001.mp4'), '--out', str(pictures)),
        pictures / '00001.png', amd_student.config, (amd_student, )))
    return stages


def read_top1(run: Path, name: str) -> float:
    """Fraction of the test videos that a fine-tuned network got right."""
    newest = max((run / f'test_{name}').glob('*/*.json'))
    return json.loads(newest.read_text())['acc/top1']


def draw_losses(run: Path, path: Path) -> None:
    """Curves of every loss of the three pre-trainings."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot

    panels = dict(loss_rec='reconstruction', loss_dir='direct alignment',
                  loss_gen='generation alignment')
    figure, axes = pyplot.subplots(1, len(panels), figsize=(12, 3.5), layout='constrained')
    for name in PRETRAINED:
        logs = sorted((run / f'pretrain_{name}').glob('*/vis_data/scalars.json'))
        lines = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
        for axis, (key, title) in zip(axes, panels.items(), strict=True):
            # A resumed run logs again what lies behind its last checkpoint.
            points = {line['step']: line[key] for line in lines if key in line}
            if points:
                axis.plot(*zip(*sorted(points.items()), strict=True), label=name.replace('_', ' '))
            axis.set(title=title, xlabel='iteration', yscale='log')
    for axis in axes:
        if axis.lines:
            axis.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def write_results(run: Path, out: Path, seconds: float, transfer: bool = False) -> dict:
    """Write ``results.json`` and both pictures into ``out``; return what the file says."""
    results = {name: dict(top1=read_top1(run, name)) for name in NETWORKS}
    for name in STUDENTS if transfer else ():
        results[name].update(
            probe_top1=read_top1(run, f'probe_{name}'), knn_top1=read_top1(run, f'knn_{name}'),
            features=str(run / f'features_{name}' / 'test.npz'))
    results.update(chance=CHANCE, seconds=round(seconds))
    (out / 'results.json').write_text(json.dumps(results, indent=1) + '\n')
    shutil.copy(run / 'reconstruction/00001.png', out / 'reconstruction.png')
    draw_losses(run, out / 'losses.png')
    return results


def count_seconds(run: Path, key: str, seconds: float) -> float:
    """Seconds that it took to get this run done, in one call or, after interruptions, in several.

    Args:
        run: Folder of this run.
        key: Of all its stages; other settings are counted anew.
        seconds: Of this call; 0 if there was nothing left to do.
    """
    path = run / 'seconds.json'
    note = json.loads(path.read_text()) if path.exists() else {}
    total = seconds + (note['seconds'] if note.get('key') == key else 0.)
    path.write_text(json.dumps(dict(key=key, seconds=total)))
    return total


@command
def main() -> None:
    args = parse_args()
    end_stages_when_killed()
    began = time.time() - args.elapsed
    name = 'smoke' if args.smoke else 'full'
    run = WORK_DIR / name
    data = REPO / 'data' / ('moving_digits_smoke' if args.smoke else 'moving_digits')
    stages = plan(run, data, smoke=args.smoke, transfer=args.transfer)
    runner = StageRunner(run, args.jobs, REPO)
    work_to_do = not all(runner.has_ended(stage) for stage in stages)
    try:
        runner.run_all(stages)
    finally:
        key = ' '.join(stage.key for stage in stages)
        seconds = count_seconds(run, key, (time.time() - began) * work_to_do)
    results = write_results(run, WORK_DIR, seconds, args.transfer)

    print('\nTop-1 on the test videos' + (' (smoke: means nothing)' if args.smoke else ''))
    for name in NETWORKS:
        print(f'  {name.replace("_", " "):<18}{results[name]["top1"]:7.1%}')
    for name in STUDENTS if args.transfer else ():
        print(f'  {name.replace("_", " "):<18}{results[name]["probe_top1"]:7.1%} linear probe, '
              f'{results[name]["knn_top1"]:.1%} nearest neighbours')
    print(f'  {"chance":<18}{CHANCE:7.1%}\n  in {seconds:.0f} s')
    print(f'{WORK_DIR}:\n  results.json, reconstruction.png, losses.png; stages in {run.name}/')


if __name__ == '__main__':
    sys.exit(main())
