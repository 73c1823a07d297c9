"""The order of a data set: the same for any number of processes, and resumable anywhere."""
from collections.abc import Iterator, Sized

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch import Tensor
from torch.utils.data import Sampler

from amd_mm.keys import Sample, epoch_order
from amd_mm.registry import DATA_SAMPLERS
from amd_mm.values import FLAG, Rule, optional, takes, whole

_PART = 1 << 16


@DATA_SAMPLERS.register_module()
class EpochSampler(Sampler[Sample]):
    """Draws an order once an epoch, deals it out to the processes, and can start within it.

    The order of an epoch is a function of (seed, epoch). Process r takes every
    ``world_size``-th sample from the r-th on, so that the i-th global batch holds the same
    samples however many processes share it. What does not fill a whole turn of all processes
    is left out of an epoch; with ``shuffle`` it is another part each time.

    :class:`amd_mm.EpochTrainLoop` makes use of the start within an epoch. MMEngine's own
    loops work too, with their ``DistSamplerSeedHook``: they resume at the start of an epoch.

    Args:
        dataset: What to sample from; only its length counts.
        seed: Seed of the order, the same in every process. None: drawn, and shared among
            the processes.
        shuffle: False for the data set's own order in every epoch.

    Raises:
        ValueError: If there are more processes than samples.
    """

    @takes(
        dataset=Rule('a data set, which has a length', lambda value: (
            hasattr(value, '__len__') and not isinstance(value, str))),
        seed=optional(whole(0)),
        shuffle=FLAG)
    def __init__(self, dataset: Sized, seed: int | None = None, shuffle: bool = True) -> None:
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.shuffle = shuffle
        self._dataset = dataset
        self.keep_whole(1)
        self.set_epoch(0)

    def keep_whole(self, samples: int) -> None:
        """Leave out of every epoch what does not fill a whole group.

        Args:
            samples: Size of a group in one process, at least 1: the samples between two
                updates of the weights.

        Raises:
            ValueError: If an epoch holds no whole group.
        """
        self._length = len(self._dataset) // (self.world_size * samples) * samples
        if self._length == 0:
            raise ValueError(
                f'an epoch must hold at least one update: {samples} samples for each of '
                f'{self.world_size} processes, but the data set has {len(self._dataset)} in all; '
                'lower global_batch_size or batch_size, or use fewer processes')

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch, counted from 0."""
        self.start_at(epoch, 0)

    def start_at(self, epoch: int, samples: int) -> None:
        """Go to a place within an epoch; what lies before it is not handed out.

        Args:
            epoch: Number of the epoch, counted from 0.
            samples: How many samples of this process to leave out, in [0, len(self)].
        """
        assert 0 <= samples <= len(self)
        self.epoch = epoch
        self._start = samples

    def leave_out(self, samples: int) -> None:
        """Go on further within the present epoch, by so many samples of this process."""
        self.start_at(self.epoch, self._start + samples)

    def __iter__(self) -> Iterator[Sample]:
        length = len(self._dataset)
        order = (epoch_order(self.seed, self.epoch, length) if self.shuffle
                 else torch.arange(length))
        # Of the others' samples nothing is kept.
        mine = order[self.rank::self.world_size][self._start:self._length].clone()
        return _samples(self.seed, self.epoch, mine)

    def __len__(self) -> int:
        """Samples of one process in a whole epoch, wherever the next one starts."""
        return self._length


def _samples(seed: int, epoch: int, numbers: Tensor) -> Iterator[Sample]:
    """Samples by number; of ten millions, few are Python's numbers at a time."""
    for part in numbers.split(_PART):
        for number in part.tolist():
            yield Sample(seed, epoch, number)
