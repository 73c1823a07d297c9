"""What of a config follows the machine it runs on."""
import os
from collections.abc import Collection

import torch
from mmengine.config import Config

# Where launchers say how many processes share a machine.
_LOCAL_PROCESSES = ('LOCAL_WORLD_SIZE', 'SLURM_NTASKS_PER_NODE', 'OMPI_COMM_WORLD_LOCAL_SIZE')


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def fit_to_machine(cfg: Config, asked: Collection[str] = ()) -> list[str]:
    """Lower the workers of dataloaders to the cores, and pin memory only for an accelerator.

    Neither changes what a run computes: samples hang on their keys. The number in a config is the
    most that is used.

    Args:
        cfg: Changed in place.
        asked: Dotted keys that the command line has set; they stay as they are.

    Returns:
        What was changed, in words.
    """
    cores = max(1, usable_cores() // _local_processes())
    changes: dict[str, None] = {}
    for part in ('train', 'val', 'test'):
        loader = cfg.get(f'{part}_dataloader')
        if not isinstance(loader, dict):
            continue
        workers = loader.get('num_workers', 0)
        if workers > cores and f'{part}_dataloader.num_workers' not in asked:
            loader['num_workers'] = cores
            changes[f'{cores} loading processes instead of {workers} (cores)'] = None
        if (loader.get('pin_memory') and f'{part}_dataloader.pin_memory' not in asked
                and not torch.accelerator.is_available()):
            loader['pin_memory'] = False
            changes['memory not pinned (no accelerator)'] = None
    return list(changes)


def _local_processes() -> int:
    return max(map(_leading_number, (os.environ.get(name, '1') for name in _LOCAL_PROCESSES)))


def _leading_number(text: str) -> int:
    """Of a variable such as Slurm's ``4(x2)``."""
    digits = text.partition('(')[0]
    return int(digits) if digits.isdecimal() else 1
