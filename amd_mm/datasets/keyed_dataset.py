"""A data set around any data set of the hosts: repeats, sample keys, bounded retries."""
import copy
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from mmaction.datasets.transforms import DecordInit, OpenCVInit
from mmengine.dataset import ClassBalancedDataset, Compose, ConcatDataset, RepeatDataset
from torch.utils.data import Dataset

from amd_mm.datasets.files import WORDS, FileError, printable, reason_of
from amd_mm.datasets.loading_process import LoadingProcess
from amd_mm.datasets.watched import WatchedDataset
from amd_mm.keys import Sample, mix64, preserved_generators, seed_generators
from amd_mm.registry import DATASETS
from amd_mm.values import (
    CALLABLE,
    CONFIG,
    Rule,
    either,
    list_of,
    number,
    one_of,
    optional,
    takes,
    whole,
)

# What an unreadable file raises differs from decoder to decoder (OSError, RuntimeError,
# ValueError, IndexError, AssertionError, cv2.error, DECORDError, FFmpegError, the storage
# backends' own), so every exception counts as bad data except those that speak of the
# programme or of the machine. A mistake that looks like bad data hits every sample, and
# then stops the run at once, reasons included.
NOT_BAD_DATA = (MemoryError, ImportError, NameError, KeyError, TypeError)

# Of the hosts, and ours after them: both were seen to hang on damaged files, or to crash.
_MAY_BE_LOST = (DecordInit, OpenCVInit)
# Seconds for these, where nobody said another number.
TIME_LIMIT = 60.
_EMPTY = ('{} inside KeyedDataset must hold at least one sample, found none; '
          'check its ann_file, data_root and data_prefix')


def _may_be_lost(dataset: Any) -> bool:
    """Whether a data set, inside MMEngine's wrappers too, reads by what may hang or crash."""
    if isinstance(dataset, ConcatDataset):
        return any(map(_may_be_lost, dataset.datasets))
    if isinstance(dataset, (RepeatDataset, ClassBalancedDataset)):
        return _may_be_lost(dataset.dataset)
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    return any(isinstance(step, _MAY_BE_LOST) for step in steps)


def _build(config: dict) -> Dataset:
    try:
        return DATASETS.build(config)
    except ValueError as error:
        # What mmengine's BaseDataset stumbles over when there is nothing to serialise.
        if 'need at least one array to concatenate' in str(error):
            raise ValueError(_EMPTY.format(config['type'])) from error
        raise


def reason_of_sample(error: Exception, path: str) -> str:
    """What goes on after the sample's name, on one line."""
    if isinstance(error, FileError):
        return error.reason if error.path == path else str(error)
    if isinstance(error, OSError) and error.errno in WORDS:
        return reason_of(error)
    # decord appends a stack trace of its own to a message.
    first_line = printable(str(error).strip().partition('\n')[0])
    return f'{type(error).__name__}: {first_line}'[:300]


def _prepare(dataset: Any, index: int) -> dict | None:
    """Load a sample, inside MMEngine's wrappers too.

    Not ``dataset[index]``: BaseDataset retries up to 1,000 times without a word.
    """
    if isinstance(dataset, ConcatDataset):
        part, index = dataset._get_ori_dataset_idx(index)
        return _prepare(dataset.datasets[part], index)
    if isinstance(dataset, (RepeatDataset, ClassBalancedDataset)):
        return _prepare(dataset.dataset, dataset._get_ori_dataset_idx(index))
    return getattr(dataset, 'prepare_data', dataset.__getitem__)(index)


@DATASETS.register_module()
class KeyedDataset(WatchedDataset):
    """Repeats of one decoded sample, each with its own crop, all of them reproducible.

    The wrapped data set decodes a sample once (its ``pipeline`` opens the file, picks the
    frames and decodes them); ``pipeline`` here then runs once a repeat on a copy of the
    result (crop, resize, format, pack). Frames and crops are functions of (seed, epoch,
    index, repeat) alone, of which the sampler gives the first three: their key seeds
    ``random``, ``numpy.random`` and torch's CPU generator while a pipeline runs. Number of
    workers, processes and restarts do not matter.

    A sample that cannot be loaded is replaced by another one, chosen by the key. Bad data
    is whatever makes a pipeline return None or raise an exception outside ``NOT_BAD_DATA``
    (out of memory, missing module, unknown name or key, wrong type: these are raised).

    With a time limit so is what hangs its decoder or crashes it (an exception cannot tell):
    samples are loaded in a child process that may be lost (:class:`LoadingProcess`), one for
    each worker of the dataloader. Without one, a crash ends a worker;
    :class:`amd_mm.EpochTrainLoop` then starts the workers anew, and what the lost one read is a
    bad sample (:meth:`blame`). A sample that cost a process is not tried again, by any worker,
    until the run is started anew. A process killed for lack of memory is no fault of its sample
    and raised.

    The metainfo of every packed data sample gets ``sample_key``, ``repeat``, ``sample_path``
    (of what was loaded) and, where the sample had to be replaced, ``bad_samples``: a tuple of
    (path, reason). :class:`amd_mm.BadSampleHook` counts them.

    Args:
        dataset: Config of the wrapped data set, or the data set itself: any of
            mmengine's ``BaseDataset`` kind, or a wrapper with ``get_data_info``.
        pipeline: Transforms that run once a repeat; the last one packs.
        num_repeats: Repeated samples of one decoded clip, at least 1 (the recipes of AMD
            and VideoMAE use 4, after arXiv 1901.09335).
        max_retries: How many other samples to try in place of a bad one, at least 0.
        time_limit: Seconds that loading one sample with its repeats may take, above 0: well
            above what the slowest storage takes. None: no limit, and no child process.
            ``'auto'``: 60 where decord or OpenCV reads videos, else None.

    Raises:
        ValueError: For an empty data set or a number out of range.
    """

    @takes(
        dataset=either(CONFIG, Rule('a data set', lambda value: hasattr(value, 'get_data_info'))),
        pipeline=list_of(either(CONFIG, CALLABLE), least=0),
        num_repeats=whole(1),
        max_retries=whole(0),
        time_limit=optional(either(number(above=0), one_of('auto'))))
    def __init__(self,
                 dataset: dict | Dataset,
                 pipeline: Sequence[dict | Callable],
                 num_repeats: int = 4,
                 max_retries: int = 10,
                 time_limit: float | str | None = 'auto') -> None:
        # One of the hosts' kind: with a length and get_data_info.
        self.dataset: Any = _build(dataset) if isinstance(dataset, dict) else dataset
        if len(self) == 0:
            raise ValueError(_EMPTY.format(type(self.dataset).__name__))
        self.pipeline = Compose(pipeline)
        # A whole copy costs as much as the resizing; transforms that make one say so.
        copies = any(getattr(step, 'copies_images', False) for step in self.pipeline.transforms[:1])
        self._copy = copy.copy if copies else copy.deepcopy
        self.num_repeats = num_repeats
        self.max_retries = max_retries
        if time_limit == 'auto':
            time_limit = TIME_LIMIT if _may_be_lost(self.dataset) else None
        self._process = None if time_limit is None else LoadingProcess(
            self._load, float(time_limit))
        super().__init__(len(self), math.inf if time_limit is None else float(time_limit))

    def full_init(self) -> None:
        """Let the wrapped data set read its annotations, if it has not done so."""
        if hasattr(self.dataset, 'full_init'):
            self.dataset.full_init()

    @property
    def metainfo(self) -> dict:
        """Meta information of the wrapped data set (class names and the like)."""
        return self.dataset.metainfo

    def get_data_info(self, index: int) -> dict:
        """Annotation of one sample, as the wrapped data set gives it."""
        return self.dataset.get_data_info(index)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Sample | int) -> list[dict]:
        """Load one sample.

        Args:
            index: A :class:`Sample` of our sampler. A plain integer of a host's sampler
                works, but its epoch is unknown: the key is then drawn from torch's global
                generator, and depends on the number of workers and processes.

        Returns:
            ``num_repeats`` packed samples.

        Raises:
            RuntimeError: If neither the sample nor any of its replacements can be loaded.
        """
        if not isinstance(index, Sample):
            index = Sample(0, int(torch.randint(2**62, ())), operator.index(index))
        if not 0 <= index.number < len(self):
            raise IndexError(
                f'index of KeyedDataset must be in [0, {len(self)}), got {index.number}')

        bad_samples: list[tuple[str, str]] = []
        for candidate in self._candidates(index):
            try:
                return self._load_or_lose(candidate, index, tuple(bad_samples))
            except NOT_BAD_DATA:
                raise
            except Exception as error:
                path = self._path(candidate)
                bad_samples.append((path, reason_of_sample(error, path)))
                cause = error
        listed = '\n'.join(f'  {printable(path)}: {reason}' for path, reason in bad_samples)
        raise RuntimeError(
            f'none of {len(bad_samples)} samples could be loaded (the data set holds '
            f'{len(self)}); check the files, data_prefix and the pipelines:\n{listed}'
        ) from cause

    def _candidates(self, index: Sample) -> Iterator[int]:
        """The asked sample, then others in an order that hangs on its key, none twice."""
        yield index.number
        key = index.shared_key
        tried = {index.number}
        while len(tried) <= min(self.max_retries, len(self) - 1):
            candidate = mix64(key + len(tried)) % len(self)
            while candidate in tried:
                candidate = (candidate + 1) % len(self)
            tried.add(candidate)
            yield candidate

    def _load_or_lose(self, candidate: int, index: Sample,
                      bad_samples: tuple[tuple[str, str], ...]) -> list[dict]:
        """Load, in the child process if there is one, and leave word of what is being read."""
        with self._reading(candidate):
            return (self._process or self._load)(candidate, index, bad_samples)

    @preserved_generators()
    def _load(self, candidate: int, index: Sample,
              bad_samples: tuple[tuple[str, str], ...]) -> list[dict]:
        seed_generators(index.shared_key)
        decoded = _prepare(self.dataset, candidate)
        if decoded is None:
            raise ValueError('the pipeline of the wrapped data set returned None')

        repeats = []
        for repeat in range(self.num_repeats):
            key = index.repeat_key(repeat)
            # Some transforms of the hosts (flips) work in place; the last may have the original.
            last = repeat == self.num_repeats - 1
            own = decoded if last else self._copy(decoded)
            seed_generators(key)
            packed = self.pipeline(own)
            if packed is None:
                raise ValueError('the pipeline of KeyedDataset returned None')
            metainfo: dict[str, Any] = {
                'sample_key': key, 'repeat': repeat, 'sample_path': self._path(candidate)}
            if bad_samples:
                metainfo['bad_samples'] = bad_samples
            packed['data_samples'].set_metainfo(metainfo)
            repeats.append(packed)
        return repeats
