"""What a pre-trained student is worth: its transfers, one after the other, and one table of them.

Each transfer is fine-tuned (or probed) and tested by the commands of this folder, with a recipe of
configs/ for the student's size, which is read from the checkpoint. One that ended is not run again
and one that was interrupted goes on from its last checkpoint; another recipe, option or student
begins anew. A transfer that fails is reported, the others are done, and the exit status is 1.

transfer.md and transfer.json in the work dir have the papers' published numbers beside ours, and
are written after every run. --print-commands prints what is still to be run instead, and looks for
results of what was run elsewhere.
"""
import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from amd_mm.arguments import OptionAction, number, parse_first
from amd_mm.failures import command

TOOLS = Path(__file__).resolve().parent
# Width and depth to the size's name in recipes.
SIZES = {(384, 12): 'small', (768, 12): 'base'}
_SPLITS = (1, 2, 3)


@dataclass(frozen=True)
class Task:
    """One transfer.

    Attributes:
        modality, title: Of its students; for the table.
        metric: Name of the number in the log of a test, and what makes percent of it.
        recipes: Below configs/, by size; of several the mean counts.
        published: By size, by method; by the papers' authors.
        is_trained: Else the student itself is tested.
        is_own: Needs data of one's own; done only when it is asked for.
        start: The task whose fine-tuned network takes the student's place.
    """

    modality: str
    title: str
    metric: tuple[str, float]
    recipes: dict[str, tuple[str, ...]]
    published: dict[str, dict[str, float]] = field(default_factory=dict)
    is_trained: bool = True
    is_own: bool = False
    start: str | None = None


def _recipes(pattern: str, numbers: Sequence[int] = (0, ), **parts: str) -> dict:
    """Recipes of both sizes; ``parts`` are what else differs between these."""
    return {size: tuple(pattern.format(size=size, n=number, part=parts.get(size))
                        for number in numbers) for size in ('small', 'base')}
_VIDEO = 'finetune/vit-{size}-p16_'
TASKS = {
    'in1k-ft': Task(
        'image', 'ImageNet-1K, fine-tuned, top-1', ('accuracy/top1', 1.),
        _recipes('finetune/vit-{size}-p16_amd-pre_b1024-coslr-100e_in1k.py'),
        dict(small=dict(AMD=82.1), base=dict(AMD=84.6, DMAE=84.0))),
    'in1k-lp': Task(
        'image', 'ImageNet-1K, linear probe, top-1', ('accuracy/top1', 1.),
        _recipes('probe/vit-{size}-p16_amd-pre_b16384-linear-coslr-90e_in1k.py')),
    'knn': Task(
        'image', 'ImageNet-1K, 20 nearest neighbours, top-1', ('accuracy/top1', 1.),
        _recipes('probe/vit-{size}-p16_knn_in1k.py'), is_trained=False),
    'ade20k': Task(
        'image', 'ADE20K, UPerNet, mIoU', ('mIoU', 1.),
        _recipes('segmentation/vit-{size}-p16_amd-pre_b16-upernet-127e_ade20k-512x512.py'),
        dict(base=dict(MAE=48.1))),
    'own-masks': Task(
        'image', "one's own masks, UPerNet, mIoU", ('mIoU', 1.),
        _recipes('segmentation/vit-{size}-p16_amd-pre_b16-upernet-50e_own-masks-512x512.py'),
        is_own=True),
    'own-images-ft': Task(
        'image', "one's own pictures, fine-tuned, top-1", ('accuracy/top1', 1.),
        _recipes('finetune/vit-{size}-p16_amd-pre_b64-coslr-50e_own-images.py'), is_own=True),
    'own-images-lp': Task(
        'image', "one's own pictures, linear probe, top-1", ('accuracy/top1', 1.),
        _recipes('probe/vit-{size}-p16_amd-pre_b64-linear-coslr-50e_own-images.py'),
        is_own=True),
    'own-images-knn': Task(
        'image', "one's own pictures, 20 nearest neighbours, top-1", ('accuracy/top1', 1.),
        _recipes('probe/vit-{size}-p16_knn_own-images.py'), is_trained=False, is_own=True),
    'coco': Task(
        'image', 'COCO 2017, Mask R-CNN, box AP', ('coco/bbox_mAP', 100.),
        _recipes('detection_coco/vit-{size}-p16_amd-pre_mask-rcnn_b64-lsj-100e_coco.py'),
        dict(base=dict(MAE=51.6))),
    'own-boxes': Task(
        'image', "one's own boxes, Faster R-CNN, box AP", ('coco/bbox_mAP', 100.),
        _recipes('detection_coco/vit-{size}-p16_amd-pre_faster-rcnn_b16-lsj-100e_own-boxes.py'),
        is_own=True),
    'own-instances': Task(
        'image', "one's own boxes and masks, Mask R-CNN, box AP", ('coco/bbox_mAP', 100.),
        _recipes('detection_coco/vit-{size}-p16_amd-pre_mask-rcnn_b16-lsj-100e_own-instances.py'),
        is_own=True),
    'k400': Task(
        'video', 'Kinetics-400, top-1, 5 x 3 views', ('acc/top1', 100.),
        _recipes(_VIDEO + 'k400-amd-pre_b512-16x4x1-{part}_kinetics400-rgb.py',
                 small='150e', base='90e'),
        dict(small=dict(AMD=80.1), base=dict(AMD=82.2))),
    'sthv2': Task(
        'video', 'Something-Something V2, top-1, 2 x 3 views', ('acc/top1', 100.),
        _recipes(_VIDEO + 'sthv2-amd-pre_b256-u16-{part}_sthv2-rgb.py',
                 small='40e', base='30e'),
        dict(small=dict(AMD=70.2), base=dict(AMD=73.3, VideoMAE=69.6))),
    'ucf101': Task(
        'video', 'UCF101, top-1, mean of 3 splits', ('acc/top1', 100.),
        _recipes(_VIDEO + 'k400-amd-pre_b128-16x4x1-100e_ucf101-split{n}-rgb.py', _SPLITS),
        dict(base=dict(AMD=97.1))),
    'hmdb51': Task(
        'video', 'HMDB51, top-1, mean of 3 splits', ('acc/top1', 100.),
        _recipes(_VIDEO + 'k400-amd-pre_b128-16x4x1-100e_hmdb51-split{n}-rgb.py', _SPLITS),
        dict(base=dict(AMD=79.6))),
    'own-videos-ft': Task(
        'video', "one's own videos, fine-tuned, top-1, 5 x 3 views", ('acc/top1', 100.),
        _recipes(_VIDEO + 'k400-amd-pre_b8-16x4x1-50e_own-videos-rgb.py'), is_own=True),
    'own-videos-lp': Task(
        'video', "one's own videos, linear probe, top-1, 5 x 3 views", ('acc/top1', 100.),
        _recipes('probe/vit-{size}-p16_k400-amd-pre_b8-linear-16x4x1-30e_own-videos-rgb.py'),
        is_own=True),
    'own-videos-knn': Task(
        'video', "one's own videos, 20 nearest neighbours, top-1", ('acc/top1', 100.),
        _recipes('probe/vit-{size}-p16_knn_own-videos-rgb.py'), is_trained=False, is_own=True),
    'ava': Task(
        'video', 'AVA 2.2, mAP, without Kinetics labels', ('mAP/overall', 100.),
        _recipes('detection/vit-{size}-p16_k400-amd-pre_b128-16x4x1-30e_ava22-rgb.py'),
        dict(base=dict(AMD=29.9))),
    'ava-k400': Task(
        'video', 'AVA 2.2, mAP, with Kinetics labels', ('mAP/overall', 100.),
        _recipes('detection/vit-{size}-p16_k400-amd-pre-ft_b128-16x4x1-30e_ava22-rgb.py'),
        dict(base=dict(AMD=33.5)), start='k400'),
}


class _RawOptionAction(OptionAction):
    """Keeps the words as well, to hand them on."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        namespace.words = list(values)
        super().__call__(parser, namespace, values, option_string)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', help='of pre-training')
    parser.add_argument('--tasks', metavar='A,B', help=f'of {", ".join(TASKS)} (default: all that '
                        "the student can do without data of one's own)")
    parser.add_argument('--work-dir', type=Path, help='default: below work_dirs/transfer/')
    parser.add_argument('--print-commands', action='store_true', help='run nothing')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm'], default='none')
    parser.add_argument('--gpus', type=number(least=1),
                        help='processes of a launcher (default: the GPUs that are there); the '
                        'learning rate follows from the batch')
    parser.add_argument('--partition', help='of Slurm')
    parser.add_argument(
        '--cfg-options', nargs='+', action=_RawOptionAction, default={},
        help='settings of all chosen recipes to change: key=value')
    parser.set_defaults(words=[])
    args = parser.parse_args()
    if args.launcher == 'slurm' and not args.partition:
        parser.error('--launcher slurm needs a --partition')
    if args.gpus is None:
        import torch  # --help need not wait for it

        args.gpus = max(1, torch.cuda.device_count())
    return args


parse_first(__name__, parse_args)

from mmengine.config import Config

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.checkpoints import read_checkpoint
from amd_mm.checkpoints.addresses import local_file
from amd_mm.config_keys import merge_options
from amd_mm.engine.stages import Stage, StageRunner, end_stages_when_killed
from amd_mm.export.convert import Options, convert_weights
from amd_mm.export.writing import replacing
from amd_mm.inference import digest

CONFIGS = TOOLS.parent / 'configs'


class Student(NamedTuple):
    """A pre-trained encoder: its file, that file's content, kind and size."""
    path: str
    sha256: str
    modality: str
    size: str


def read_student(path: str) -> Student:
    """What the checkpoint holds.

    Raises:
        ValueError: If it is not a checkpoint of ours, or of a size without recipes.
    """
    checkpoint = read_checkpoint(path)
    if not any(name.startswith('backbone.') for name in checkpoint.state_dict):
        raise ValueError(
            f'Checkpoint {path}: must be one of ours, with keys that start with "backbone.", but '
            'has none: python tools/convert_checkpoint.py SRC DST --to amd_mm')
    net = convert_weights(checkpoint, Options(target='amd_mm', part='encoder')).net
    size = SIZES.get((net.width, net.depth))
    if size is None:
        known = ', '.join(f'{name} (width {width}, depth {depth})'
                          for (width, depth), name in SIZES.items())
        raise ValueError(f'Checkpoint {path}: must be of a size with recipes, {known}, got width '
                         f'{net.width}, depth {net.depth}')
    with local_file(path) as local:
        return Student(str(local.resolve()), digest(local), net.modality, size)


class Run:
    """One recipe for one student: training, a test, and what that said.

    Args:
        task: What it belongs to.
        recipe: Below configs/.
        start: Checkpoint to begin with.
        identity: What the checkpoint holds; makes the run another one when it changes.
        args: Of the command line.
    """

    def __init__(self, task: Task, recipe: str, start: str, identity: str,
                 args: argparse.Namespace) -> None:
        self.task, self.args, self.start = task, args, start
        self.config = CONFIGS / recipe
        config = Config.fromfile(self.config)
        merge_options(config, args.cfg_options)
        text = json.dumps([identity, args.words, config.to_dict()], default=str, sort_keys=True)
        self.key = hashlib.sha256(text.encode()).hexdigest()
        self.folder = args.work_dir / f'{self.config.stem}-{self.key[:8]}'
        self.trained = start
        if task.is_trained:
            self.trained = str(self.folder / f'epoch_{config.train_cfg.max_epochs}.pth')

    def value(self) -> float | None:
        """Percent, once there is a test."""
        name, scale = self.task.metric
        for log in sorted(self.folder.glob('test/*/*.json'), reverse=True):
            found = json.loads(log.read_text())
            if name in found:
                return found[name] * scale
        return None

    def record(self) -> dict:
        return dict(value=self.value(), folder=str(self.folder), options=self.args.words)

    def stages(self) -> list[Stage]:
        """What is still to be done."""
        if self.value() is not None:
            return []
        needs: tuple[Stage, ...] = ()
        if self.task.is_trained and not Path(self.trained).exists():
            needs = (self._stage('train', Path(self.trained), (), (
                '--resume', '--auto-scale-lr', '--work-dir', str(self.folder), '--cfg-options',
                f'model.backbone.init_cfg.checkpoint={self.start}', *self.args.words)), )
        options = ('--cfg-options', *self.args.words) if self.args.words else ()
        return [*needs, self._stage('test', self.folder / 'test', (self.trained, ), (
            '--work-dir', str(self.folder / 'test'), *options), needs)]

    def _stage(self, kind: str, output: Path, files: tuple[str, ...], options: tuple[str, ...],
               needs: tuple[Stage, ...] = ()) -> Stage:
        name = self.folder.name if kind == 'train' else f'{self.folder.name}/{kind}'
        config = (str(self.config), *files)
        gpus, environment = str(self.args.gpus), {}
        if self.args.launcher == 'none':
            command = ('python', f'{TOOLS}/{kind}.py', *config, *options)
        elif self.args.launcher == 'pytorch':
            command = ('bash', f'{TOOLS}/dist_{kind}.sh', *config, gpus, *options)
        else:
            where = (self.args.partition, f'{kind}-{self.config.stem}')
            command = ('bash', f'{TOOLS}/slurm_{kind}.sh', *where, *config, *options)
            environment['GPUS'] = gpus
        return Stage(name, command, output, needs=needs, environment=environment,
                     identity=self.key)


def plan(student: Student, args: argparse.Namespace) -> dict[str, list[Run]]:
    """The runs of the chosen tasks, in the order in which they can be done.

    Raises:
        ValueError: For an unknown task, or one of the other modality.
    """
    able = [name for name, task in TASKS.items() if task.modality == student.modality]
    chosen = ([name for name in able if not TASKS[name].is_own] if args.tasks is None
              else args.tasks.split(','))
    wrong = [name for name in chosen if name not in able]
    if wrong:
        raise ValueError(f'--tasks: this student of {student.modality}s can do '
                         f'{", ".join(able)}, got {", ".join(wrong)}')
    made: dict[str, list[Run]] = {}

    def make(name: str) -> list[Run]:
        if name not in made:
            task = TASKS[name]
            start, identity = student.path, student.sha256
            if task.start is not None:
                before, = make(task.start)
                start, identity = before.trained, before.key
            made[name] = [Run(task, recipe, start, identity, args)
                          for recipe in task.recipes[student.size]]
        return made[name]

    return {name: make(name) for name in able if name in chosen}


class Table:
    """All results of a student, in transfer.json, and for people in transfer.md.

    Raises:
        ValueError: If the folder has a table of another student.
    """

    def __init__(self, folder: Path, student: Student) -> None:
        self.folder, self.student = folder, student
        self.rows: dict[str, dict] = {}
        file = folder / 'transfer.json'
        if file.exists():
            content = json.loads(file.read_text())
            if content['student']['sha256'] != student.sha256:
                raise ValueError(
                    f'{file}: must be of {student.path}, but is of another student, '
                    f'{content["student"]["path"]}: choose another --work-dir')
            self.rows = content['tasks']

    def update(self, plan: dict[str, list[Run]], failed: Sequence[str] = ()) -> None:
        """Take over what the runs said; other tasks keep what they had."""
        for name, task in TASKS.items():
            if task.modality != self.student.modality:
                continue
            row = dict(title=task.title, published=task.published.get(self.student.size, {}))
            kept = self.rows.get(name, dict(ours=None, failed=False, runs={}))
            if name in plan:
                runs = {run.config.stem: run.record() for run in plan[name]}
                values = [run['value'] for run in runs.values()]
                mean = None if None in values else sum(values) / len(values)
                kept = dict(ours=mean, failed=name in failed, runs=runs)
            self.rows[name] = {**kept, **row}
        self._write()

    def _write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        student = self.student._asdict()
        content = json.dumps(dict(student=student, tasks=self.rows), indent=1)
        for name, text in (('transfer.json', content), ('transfer.md', self.markdown())):
            with replacing(self.folder / name) as temporary:
                temporary.write_text(text)

    def markdown(self) -> str:
        """The table for people."""
        lines = [
            f'# Transfer of {Path(self.student.path).name}', '',
            f'{self.student.modality} encoder, ViT-{self.student.size[0].upper()}, '
            f'`{self.student.path}`. Percent. Published: by the papers\' authors, from their own '
            'code and training, not measured here.', '',
            '| task | data and metric | published | ours |', '|---|---|---|---|']
        for name, row in self.rows.items():
            published = ', '.join(f'{by} {value:.1f}' for by, value in row['published'].items())
            lines.append(f'| {name} | {row["title"]} | {published or "none"} | {_ours(row)} |')
        return '\n'.join(lines) + '\n'


def _ours(row: dict) -> str:
    known = [f'{run["value"]:.1f}' for run in row['runs'].values() if run['value'] is not None]
    if row['ours'] is not None:
        return f'{row["ours"]:.1f}' + (f' ({", ".join(known)})' if len(known) > 1 else '')
    parts = f', {len(known)} of {len(row["runs"])} runs are there' if known else ''
    return ('failed' if row['failed'] else 'missing') + parts


def run_all(table: Table, runs: dict[str, list[Run]]) -> list[str]:
    """Run what is to be done; return the names of the tasks that failed."""
    failed: list[str] = []
    runner = StageRunner(table.folder, 1, Path.cwd(), threads=None)
    for name, of_task in runs.items():
        start = TASKS[name].start
        if start is not None and of_task[0].value() is None and not Path(of_task[0].start).exists():
            print(f'error: {name} begins with what {start} fine-tunes, and that is not there: '
                  f'add {start} to --tasks', file=sys.stderr)
            failed.append(name)
        else:
            for run in of_task:
                try:
                    runner.run_all(run.stages())
                except ValueError as error:
                    print(f'error: {error}', file=sys.stderr)
                    failed.append(name)
                table.update(runs, failed)
    table.update(runs, failed)
    return list(dict.fromkeys(failed))


def print_all(table: Table, runs: dict[str, list[Run]]) -> None:
    """Print what is to be done, as a script; what is done as a comment."""
    table.update(runs)
    for name, of_task in runs.items():
        for run in of_task:
            value = run.value()
            print(f'# {name}: {run.config.stem}' + ('' if value is None else f' is done, {value}'))
            for stage in run.stages():
                print(stage)


@command
def main() -> int:
    args = parse_args()
    student = read_student(args.checkpoint)
    path = Path(student.path)
    args.work_dir = (args.work_dir or Path('work_dirs/transfer', path.parent.name, path.stem)
                     ).absolute()
    runs = plan(student, args)
    table = Table(args.work_dir, student)
    if args.print_commands:
        print_all(table, runs)
        return 0
    end_stages_when_killed()
    failed = run_all(table, runs)
    print(table.markdown())
    print(f'-> {args.work_dir}/transfer.md, transfer.json')
    if failed:
        print(f'error: {len(failed)} of {len(runs)} tasks failed: {", ".join(failed)}',
              file=sys.stderr)
    return int(bool(failed))


if __name__ == '__main__':
    sys.exit(main())
