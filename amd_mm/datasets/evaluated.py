"""Data of an evaluation, of which what cannot be loaded is left out by name."""
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from mmengine.dataset import DefaultSampler
from torch.utils.data import DataLoader, Dataset, IterableDataset

from amd_mm.datasets.keyed_dataset import NOT_BAD_DATA, reason_of_sample
from amd_mm.datasets.lost_workers import batches_of
from amd_mm.datasets.watched import WatchedDataset

# How many other samples are tried in place of one.
_MOST_RETRIES = 10


class Bad(NamedTuple):
    """A sample that could not be loaded.

    Attributes:
        path: Of its file.
        reason: Why.
    """
    path: str
    reason: str


class Part(NamedTuple):
    """A batch of an evaluation.

    Attributes:
        batch: What the dataloader gives, as long as ever: a bad sample's place has another one.
        bad: The bad ones, by their place in the batch.
        size: How many samples it holds; 0 where none can be bad.
        again: Places of samples that a sampler gives a second time, for equally many in all
            processes.
    """
    batch: Any
    bad: dict[int, Bad]
    size: int = 0
    again: frozenset[int] = frozenset()


class _Evaluated(WatchedDataset):
    """Each sample, and what was wrong with it where it is another one in its place.

    Args:
        dataset: Of the hosts' kind, with a length.
    """

    def __init__(self, dataset: Any) -> None:
        super().__init__(len(dataset))
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def get_data_info(self, index: int) -> dict:
        """As the data set gives it; nothing, where it gives none."""
        give = getattr(self.dataset, 'get_data_info', None)
        return {} if give is None else give(index)

    def __getitem__(self, index: int) -> tuple[Any, Bad | None]:
        """Load a sample.

        Raises:
            RuntimeError: If it cannot be loaded, and those after it cannot either.
        """
        first: Bad | None = None
        for number in range(min(_MOST_RETRIES, len(self) - 1) + 1):
            candidate = (index + number) % len(self)
            try:
                with self._reading(candidate):
                    return self.dataset[candidate], first
            except NOT_BAD_DATA:
                raise
            except Exception as error:  # what a decoder raises differs from one to the other
                path = self._path(candidate)
                first, cause = first or Bad(path, reason_of_sample(error, path)), error
        assert first is not None
        raise RuntimeError(
            f'at least one of {number + 1} samples in a row must be one that can be loaded, but '
            f'none is, the first of them {first.path}: {first.reason}; check the files, '
            'data_prefix and the pipeline') from cause


class EvaluationLoader(DataLoader):
    """A dataloader whose samples may be bad, or crash their worker.

    An item is a :class:`Part`. The length and every other attribute are the dataloader's. An
    :class:`amd_mm.KeyedDataset` replaces bad samples itself.

    Args:
        dataloader: Gives the batches, in an order that is the same each time.
        wait_limit: Seconds, above 0, to wait for a batch of the workers.
    """

    def __init__(self, dataloader: DataLoader, wait_limit: float = 480) -> None:
        self.dataloader = dataloader
        self._watches = not isinstance(dataloader.dataset, (WatchedDataset, IterableDataset))
        dataset: Dataset = dataloader.dataset
        collate: Any = dataloader.collate_fn
        self._order = _Order(dataloader.batch_sampler)
        several = dict(
            prefetch_factor=dataloader.prefetch_factor,
            persistent_workers=dataloader.persistent_workers,
            multiprocessing_context=dataloader.multiprocessing_context,
            timeout=dataloader.timeout or wait_limit) if dataloader.num_workers else {}
        self._watched: DataLoader = DataLoader(
            _Evaluated(dataset) if self._watches else dataset,
            batch_sampler=self._order, num_workers=dataloader.num_workers,
            collate_fn=partial(_collate, collate) if self._watches else collate,
            pin_memory=dataloader.pin_memory, worker_init_fn=dataloader.worker_init_fn, **several)

    def __len__(self) -> int:
        return len(self.dataloader)

    def __iter__(self) -> Iterator[Part]:  # type: ignore[override]
        self._order.first = done = 0
        for batch in batches_of(self._watched, self._order.go_on_after):
            if not self._watches:
                yield Part(batch, {})
                continue
            content, bad, size = batch
            yield Part(content, bad, size, self._again(done, size))
            done += size

    def _again(self, done: int, size: int) -> frozenset[int]:
        """Places in a batch, after so many samples, that are beyond the data set's end."""
        sampler: Any = self.dataloader.sampler
        if not isinstance(sampler, DefaultSampler):
            return frozenset()
        return frozenset(
            place for place in range(size)
            if (done + place) * sampler.world_size + sampler.rank >= len(sampler.dataset))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dataloader, name)


class _Order:
    """The batches of a sampler, from one of them on."""

    def __init__(self, batch_sampler: Any) -> None:
        self.batch_sampler = batch_sampler
        self.first = 0

    def go_on_after(self, batches: int) -> None:
        self.first += batches

    def __iter__(self) -> Iterator[list]:
        return islice(iter(self.batch_sampler), self.first, None)

    def __len__(self) -> int:
        return len(self.batch_sampler)


def kept(content: Any, places: Sequence[int], size: int) -> Any:
    """What a batch of ``size`` samples, or what was made of it, says of some of them."""
    if isinstance(content, dict):
        return {name: kept(value, places, size) for name, value in content.items()}
    if not hasattr(content, '__len__') or isinstance(content, str) or len(content) != size:
        return content
    if isinstance(content, (list, tuple)):
        return [content[place] for place in places]
    return content[list(places)]


def _collate(collate: Callable, items: Sequence[tuple[Any, Bad | None]]) -> tuple:
    return collate([item for item, _ in items]), {
        place: bad for place, (_, bad) in enumerate(items) if bad is not None}, len(items)
