"""How many samples an update, and a batch of it, can have: by the data and the memory."""
from collections.abc import Callable
from pathlib import Path

import torch

__all__ = ['fit_batch', 'fit_update', 'free_memory']

# Updates that an epoch should have, where the data is small for the recipe's.
_UPDATES = 10
# Share of the free memory that is planned with: kernels need some, and estimates leave out some.
_SHARE = .8


def fit_update(recipe: int, samples: int) -> int:
    """Samples of an update: the recipe's, or for little data the power of two below a tenth of it.

    Args:
        recipe: Samples of an update of the recipe.
        samples: Of the data set.
    """
    most = max(1, samples // _UPDATES)
    return recipe if recipe <= most else 1 << (most.bit_length() - 1)


def fit_batch(update: int, processes: int, most: int, needed: Callable[[int], int],
              free: int) -> int:
    """Samples that a process loads at a time: as many as are planned and the memory holds.

    Args:
        update: Samples of an update over all processes.
        processes: How many there are.
        most: That the recipe plans with.
        needed: Bytes for a batch; they grow evenly with it.
        free: Bytes that there are for a process.

    Raises:
        ValueError: If the processes cannot share the update evenly.
    """
    if update % processes:
        raise ValueError(f'--batch must be a multiple of the processes, got {update} and '
                         f'{processes}; change one of them')
    fitting = [count for count in range(1, min(most, update // processes) + 1)
               if not update // processes % count]
    one = needed(1)
    more = needed(2) - one if fitting[-1] > 1 else 0
    return max(count for count in fitting
               if count == 1 or one + (count - 1) * more <= _SHARE * free)


def free_memory() -> int:
    """Bytes free on the accelerator, else of this machine, or of what a container leaves of it."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0]
    lines = dict(line.split(':') for line in Path('/proc/meminfo').read_text().splitlines())
    free = int(lines['MemAvailable'].split()[0]) << 10
    limit, used = (_number(Path('/sys/fs/cgroup', name)) for name in (
        'memory.max', 'memory.current'))
    return free if limit is None or used is None else min(free, limit - used)


def _number(file: Path) -> int | None:
    """What a file of the system says; None where it is not there or says none."""
    text = file.read_text().strip() if file.is_file() else ''
    return int(text) if text.isdecimal() else None
