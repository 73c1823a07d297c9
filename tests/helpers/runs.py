"""Training runs for tests: in this process or by torchrun, from a config to numbers."""
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import torch
import toys  # noqa: F401  (registers them)
from mmengine.config import Config
from mmengine.runner import Runner

import amd_mm
from amd_mm.engine import build_training_runner

HELPERS = Path(__file__).parent


def toy_config(work_dir: Path,
               size: int = 10,
               batch_size: int = 2,
               accumulative_counts: int = 1,
               max_epochs: int = 2,
               num_workers: int = 0,
               checkpoint: dict | None = None,
               model: dict | None = None,
               optimizer: dict | None = None) -> Config:
    """A run of the toy model; its arguments are what the tests vary."""
    work_dir.mkdir(parents=True, exist_ok=True)
    return Config(dict(
        default_scope=None,
        # For commands, which read this from a file.
        custom_imports=dict(imports=['toys']),
        work_dir=str(work_dir),
        # Runner keeps what it logs under this name, for the life of the process.
        experiment_name=str(work_dir).replace('/', '_'),
        model=dict(type='ToyModel', **(model or {})),
        train_dataloader=dict(
            dataset=dict(
                type='amd_mm.KeyedDataset', num_repeats=2, pipeline=[dict(type='PackToy')],
                dataset=dict(type='ToyData', size=size, loaded=str(work_dir / 'loaded.txt'))),
            sampler=dict(type='amd_mm.EpochSampler'),
            collate_fn=dict(type='amd_mm.datasets.collate_repeats'),
            batch_size=batch_size, num_workers=num_workers,
            persistent_workers=num_workers > 0),
        train_cfg=dict(type='amd_mm.EpochTrainLoop', max_epochs=max_epochs),
        optim_wrapper=dict(
            type='OptimWrapper', accumulative_counts=accumulative_counts,
            optimizer=optimizer or dict(type='AdamW', lr=0.02),
            clip_grad=dict(max_norm=1.0)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=3),
            dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True)],
        default_hooks=dict(
            checkpoint=checkpoint or dict(type='CheckpointHook', interval=1),
            logger=dict(type='LoggerHook', interval=1)),
        custom_hooks=[dict(type='amd_mm.NonFiniteLossHook'), dict(type='RecordHook')],
        env_cfg=dict(dist_cfg=dict(backend='gloo')),
        test_dataloader=dict(
            dataset=dict(type='ToyData', size=6, loaded=str(work_dir / 'tested.txt')),
            sampler=dict(type='DefaultSampler', shuffle=False), batch_size=2),
        test_cfg=dict(),
        test_evaluator=[dict(type='ToyError')],
        visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]),
        randomness=dict(seed=0),
        log_level='WARNING',
        launcher='none'))


def spoilt_config(work_dir: Path, spoilt: list[int], factor: str = '1000', way: str = 'forward',
                  size: int = 8, **hook: object) -> Config:
    """A run in whose data some samples are too large, and what its model makes of them."""
    cfg = toy_config(work_dir, size=size, max_epochs=1,
                     checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=False))
    cfg.train_dataloader.dataset.dataset.update(type='SpoiltData', spoilt=spoilt, factor=factor)
    cfg.model = dict(type='CliffModel', way=way)
    cfg.custom_hooks[0].update(hook)
    return cfg


def run(cfg: Config) -> Runner:
    """Trains in this process; returns the runner afterwards."""
    runner = build_training_runner(cfg)
    runner.train()
    return runner


def run_tool(path: Path) -> None:
    """Runs a command in this process, with the arguments in sys.argv.

    Raises:
        SystemExit: With its status, unless that is 0.
    """
    try:
        runpy.run_path(str(path), run_name='__main__')
    except SystemExit as stop:
        if stop.code:
            raise


def run_processes(processes: int, *cfgs: Config) -> None:
    """Trains configs, one after the other, in several processes that torchrun starts.

    Raises:
        RuntimeError: With the end of their output, if one fails.
    """
    paths = []
    for cfg in cfgs:
        cfg.launcher = 'pytorch'
        paths.append(Path(cfg.work_dir, 'run.py'))
        cfg.dump(paths[-1])
    command('python', '-m', 'torch.distributed.run', '--standalone',
            f'--nproc-per-node={processes}', HELPERS / 'run_config.py', *paths)


def command(*arguments: str | Path, **environment: str) -> str:
    """Runs a command with this interpreter as ``python`` and this ``amd_mm``; one thread.

    Returns:
        What it printed.

    Raises:
        RuntimeError: With what it printed, if it fails.
    """
    package = Path(amd_mm.__file__).parents[1]
    result = subprocess.run(
        [str(argument) for argument in arguments], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(os.environ, OMP_NUM_THREADS='1',
                 PATH=f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}',
                 PYTHONPATH=f'{package}{os.pathsep}{HELPERS}') | environment)
    if result.returncode:
        raise RuntimeError(f'{arguments} failed:\n{result.stdout}')
    return result.stdout


def recorded(cfg: Config) -> list[dict]:
    """What RecordHook wrote, one entry an iteration, the processes' lines joined.

    ``losses`` are averaged over the processes, ``keys`` are all of them, sorted.
    """
    files = sorted(Path(cfg.work_dir).glob('record_*.jsonl'))
    ranks = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    joined = []
    for lines in zip(*ranks, strict=True):
        names = lines[0]['losses']
        joined.append(dict(
            lines[0],
            keys=sorted(key for line in lines for key in line['keys']),
            losses={name: sum(line['losses'][name] for line in lines) / len(lines)
                    for name in names}))
    return joined


def loaded(cfg: Config) -> list[int]:
    """Indices that the toy data set loaded, in the order of loading."""
    return [int(line) for line in Path(cfg.work_dir, 'loaded.txt').read_text().split()]


def weights(cfg: Config, name: str) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint of the run."""
    return torch.load(Path(cfg.work_dir, name), weights_only=False)['state_dict']

