"""A run of training, from a config to its end."""
from collections.abc import Collection
from pathlib import Path

from mmengine.config import Config

from amd_mm.console import Console
from amd_mm.engine.hooks import ConsoleHook
from amd_mm.engine.machine import fit_to_machine
from amd_mm.engine.resuming import prepare_start
from amd_mm.engine.runner import build_training_runner

__all__ = ['train']


def train(cfg: Config, resume: str | None = None, overwrite: bool = False,
          asked: Collection[str] = (), notes: Collection[str] = ()) -> None:
    """Fit a config to the machine, build its run and train.

    Args:
        cfg: With launcher and work dir; changed in place.
        resume: ``'auto'`` goes on from the newest checkpoint in the work dir, if there is one;
            else a checkpoint to go on from; None starts anew.
        overwrite: Whether to start anew in a work dir that holds a run.
        asked: Dotted keys that somebody has set; the machine does not change them.
        notes: What was changed for this machine before, in words.

    Raises:
        ValueError: For what :func:`build_training_runner` and :func:`prepare_start` refuse.
    """
    prepare_start(cfg, resume, overwrite)
    changes = [*notes, *fit_to_machine(cfg, asked)]
    _spare_its_file(cfg)
    with Console() as console:
        runner = build_training_runner(cfg)
        runner.register_hook(ConsoleHook(console, changes))
        runner.train()


def _spare_its_file(cfg: Config) -> None:
    """Let MMEngine, which writes what a config resolves to, not write over the config itself."""
    if cfg.filename is None:
        return
    file = Path(cfg.filename)
    if file.parent.resolve() == Path(cfg.work_dir).resolve():
        other = str(file.with_name(f'{file.stem}_resolved{file.suffix}'))
        object.__setattr__(cfg, '_filename', other)  # a Config takes others for its keys
