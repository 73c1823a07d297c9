"""Times how long a command takes to begin, against torch and against MMEngine alone.

Every figure is of processes of their own, in alternating turns: importing torch, mmengine.runner
and amd_mm.engine, `tools/train.py --help`, and the first training step, from the start of Python
to its end, of a bare MMEngine run (one linear layer, made numbers, no data on disk) and of
tools/train.py (a tiny AMD student and teacher on small videos made here). All use one thread, and
import amd_mm, without whose remedies MMEngine does not start on every stack of today.

Both the time that passes and the processor's are printed: the latter minds less what else runs.

Example:
    python tools/analysis_tools/benchmark_start.py --rounds 5
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from amd_mm.arguments import new_file, number
from amd_mm.failures import command

ROOT = Path(__file__).parents[2]

STOP = '''
import os
import sys

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class StopAfterFirstStep(Hook):
    priority = 'LOWEST'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        sys.stdout.flush()
        os._exit(0)
'''
BARE = '''
import amd_mm
import stop_after_first_step
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner


class Model(BaseModel):

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)

    def forward(self, inputs, mode):
        return dict(loss=self.layer(inputs).square().mean())


Runner(
    model=Model(), work_dir='bare', log_level='ERROR',
    train_dataloader=dict(
        batch_size=2, dataset=[dict(inputs=torch.ones(8))] * 4,
        sampler=dict(type='DefaultSampler', shuffle=True),
        collate_fn=dict(type='default_collate')),
    train_cfg=dict(by_epoch=True, max_epochs=1),
    optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)),
    custom_hooks=[dict(type='StopAfterFirstStep')]).train()
'''
OURS = '''
_base_ = {base!r}
custom_imports = dict(imports=['stop_after_first_step'])
custom_hooks = [*_base_.custom_hooks, dict(type='StopAfterFirstStep')]
model = dict(teacher=dict(checkpoint=None))
param_scheduler = None
train_dataloader = dict(dataset=dict(dataset=dict(
    data_root='', ann_file='', data_prefix=dict(video='videos'))))
'''


class Spent(NamedTuple):
    """Seconds of a process, by the clock and of the processor."""
    clock: float
    processor: float


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=number(int, least=1), default=5,
                        help='turns of every command (default 5)')
    parser.add_argument('--json', type=new_file, help='write the numbers to this file as well')
    return parser.parse_args(argv)


def write_videos(folder: Path) -> None:
    """Eight clips of noise as small as the quickstart's."""
    import av
    import numpy as np

    folder.mkdir()
    noise = np.random.default_rng(0)
    for name in range(8):
        with av.open(str(folder / f'{name}.mp4'), 'w') as container:
            stream = container.add_stream('libx264', rate=10)
            stream.width = stream.height = 36
            stream.pix_fmt = 'yuv420p'
            for _ in range(12):
                picture = noise.integers(256, size=(36, 36, 3), dtype=np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, 'rgb24')))
            container.mux(stream.encode(None))


def commands(folder: Path) -> dict[str, list[str]]:
    """What is timed, by name; the files it needs are written into the folder."""
    write_videos(folder / 'videos')
    (folder / 'stop_after_first_step.py').write_text(STOP)
    (folder / 'bare.py').write_text(BARE)
    base = str(ROOT / 'configs' / 'quickstart' / 'pretrain_amd_student.py')
    (folder / 'tiny.py').write_text(OURS.format(base=base))
    train = str(ROOT / 'tools' / 'train.py')
    return {
        'import torch': ['-c', 'import torch'],
        'import mmengine.runner': ['-c', 'import amd_mm, mmengine.runner'],
        'import amd_mm.engine': ['-c', 'import amd_mm.engine'],
        'train.py --help': [train, '--help'],
        'bare MMEngine, first step': ['bare.py'],
        'train.py, first step': [train, 'tiny.py', '--work-dir', 'tiny', '--overwrite'],
    }


def spend(words: Sequence[str], folder: Path) -> Spent:
    """Run Python in a folder.

    Raises:
        RuntimeError: With what it printed, if it fails.
    """
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get('PYTHONPATH'))))
    with open(folder / 'printed.txt', 'w+') as printed:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *words], cwd=folder, stdout=printed, stderr=subprocess.STDOUT,
            env=dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=path))
        _, status, used = os.wait4(process.pid, 0)
        spent = Spent(time.perf_counter() - start, used.ru_utime + used.ru_stime)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            printed.seek(0)
            raise RuntimeError(f'{" ".join(words)} failed:\n{printed.read()}')
    return spent


def measure(rounds: int) -> dict[str, list[Spent]]:
    """What each command spends, a figure a turn; a first turn fills the caches."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timed = commands(folder)
        for words in timed.values():
            spend(words, folder)
        spent: dict[str, list[Spent]] = {title: [] for title in timed}
        for _ in range(rounds):
            for title, words in timed.items():
                spent[title].append(spend(words, folder))
    return spent


def ratios(spent: dict[str, list[Spent]]) -> dict[str, list[Spent]]:
    """Of what is ours to what is not, a figure a turn."""
    pairs = (('train.py --help', 'import torch'),
             ('import amd_mm.engine', 'import mmengine.runner'),
             ('train.py, first step', 'bare MMEngine, first step'))
    return {f'{ours} / {other}': [
        Spent(*(one / two for one, two in zip(mine, its, strict=True)))
        for mine, its in zip(spent[ours], spent[other], strict=True)] for ours, other in pairs}


def row(title: str, figures: Sequence[Spent], unit: str) -> str:
    """Median, lowest and highest, by the clock and of the processor."""
    texts = [f'{statistics.median(values):6.2f}{unit} ({min(values):.2f} to {max(values):.2f})'
             for values in zip(*figures, strict=True)]
    return f'{title:52}' + ''.join(f'{text:28}' for text in texts).rstrip()


@command
def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    spent = measure(args.rounds)
    print(f'{"":52}{"  passed":28}  of the processor')
    for title, figures in spent.items():
        print(row(title, figures, ' s'))
    for title, figures in ratios(spent).items():
        print(row(title, figures, ''))
    if args.json:
        args.json.write_text(json.dumps(
            {title: [figure._asdict() for figure in figures] for title, figures in spent.items()},
            indent=1) + '\n')


if __name__ == '__main__':
    sys.exit(main())
