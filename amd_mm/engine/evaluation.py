"""Validation and testing that bad samples do not end: they are left out of the metrics, by name."""
from collections.abc import Iterator, Sequence
from logging import Logger
from pathlib import Path
from typing import Any

from mmengine.dist import all_gather_object, is_main_process
from mmengine.evaluator import Evaluator
from mmengine.runner import BaseLoop, FlexibleRunner, Runner, TestLoop, ValLoop
from mmengine.structures import BaseDataElement
from torch.utils.data import DataLoader

from amd_mm.datasets.evaluated import EvaluationLoader, Part, kept
from amd_mm.datasets.files import printable
from amd_mm.engine.bad_list import NAME, add_to, listed_in
from amd_mm.registry import LOOPS
from amd_mm.values import FLAG, instance, number, takes

_TAKEN = dict(
    runner=instance((Runner, FlexibleRunner), 'a Runner'),
    dataloader=instance((dict, DataLoader), 'a dict or a DataLoader'),
    evaluator=instance((dict, list, Evaluator), 'a dict, a list or an Evaluator'),
    fp16=FLAG,
    max_share=number(0, below=1))
# As many may be bad, whatever their share.
_MIN_COUNT = 10


class _Judge:
    """An evaluator that is shown only what was loaded, and says how much was not.

    Args:
        evaluator: Gets the rest; every attribute but these two methods is its own.
        max_share: Largest share of the samples that may be bad.
        list_file: For the bad ones' names.
        logger: Warns of them.
    """

    def __init__(self, evaluator: Evaluator, max_share: float, list_file: Path,
                 logger: Logger) -> None:
        self.evaluator = evaluator
        self.max_share = max_share
        self.list_file = list_file
        self.logger = logger
        self.part = Part(None, {})
        self._bad: dict[str, str] = {}
        self._replaced: dict[str, str] = {}

    def process(self, data_samples: Sequence, data_batch: Any = None) -> None:
        """Judge what the model says of the present part.

        Raises:
            ValueError: If a sample was bad and the model does not say what is of which sample.
        """
        part = self.part
        self._bad.update((printable(bad.path), printable(bad.reason)) for bad in part.bad.values())
        self._replaced.update(_replaced_in(data_batch))
        if part.bad and len(data_samples) != part.size:
            bad = next(iter(part.bad.values()))
            raise ValueError(
                f'{printable(bad.path)}: a sample that cannot be loaded ({bad.reason}) must be one '
                f'output of the model, which gives {len(data_samples)} for {part.size} samples; '
                'mend or remove the file')
        left = part.again.union(part.bad)
        if left and len(data_samples) == part.size:
            places = [place for place in range(part.size) if place not in left]
            data_samples = kept(data_samples, places, part.size)
            data_batch = kept(data_batch, places, part.size)
        if len(data_samples):
            self.evaluator.process(data_samples=data_samples, data_batch=data_batch)

    def evaluate(self, size: int) -> dict:
        """The metrics of what was loaded, and how much was ``left_out``, where something was.

        Raises:
            RuntimeError: If more than ``max_share`` is bad.
        """
        bad, replaced = self._gathered(self._bad), self._gathered(self._replaced)
        self._bad, self._replaced = {}, {}
        if len(bad) >= _MIN_COUNT and len(bad) > self.max_share * size:
            path, reason = next(iter(bad.items()))
            raise RuntimeError(
                f'at most {self.max_share:.1%} of the samples of an evaluation may be bad, but '
                f'{len(bad)} of {size} could not be loaded, one of them {path} ({reason}); '
                f'{self.list_file} lists them. Mend or remove the files, or raise max_share: '
                "dict(type='amd_mm.LenientValLoop', max_share=...) as val_cfg, LenientTestLoop as "
                'test_cfg')
        counts = dict(left_out=len(bad), replaced=len(replaced))
        return self.evaluator.evaluate(size) | {
            name: count for name, count in counts.items() if count}

    def _gathered(self, reasons: dict[str, str]) -> dict[str, str]:
        """Those of all processes; what is new is listed and logged."""
        found = {path: reason for part in all_gather_object(reasons)
                 for path, reason in part.items()}
        if found and is_main_process():
            listed = listed_in(self.list_file)
            fate = ('left out of the evaluation' if reasons is self._bad else
                    'replaced by another one in the evaluation')
            add_to(self.list_file, {path: reason for path, reason in found.items()
                                    if path not in listed}, fate, self.logger)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.evaluator, name)


def _replaced_in(batch: Any) -> Iterator[tuple[str, str]]:
    """What :class:`amd_mm.KeyedDataset` reports in a batch."""
    samples = batch.get('data_samples', ()) if isinstance(batch, dict) else ()
    for sample in samples:
        if isinstance(sample, BaseDataElement):
            for path, reason in sample.get('bad_samples', ()):
                yield printable(path), printable(reason)


class _LeavesOut(BaseLoop):
    """What both loops have in common."""

    @takes(**_TAKEN)
    def __init__(self,
                 runner: Runner,
                 dataloader: DataLoader | dict,
                 evaluator: Evaluator | dict | list,
                 fp16: bool = False,
                 max_share: float = .05) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        self.dataloader: Any = EvaluationLoader(self.dataloader)
        self.evaluator: Any = _Judge(
            self.evaluator, max_share, Path(runner.work_dir, NAME), runner.logger)

    def run_iter(self, idx: int, data_batch: Part) -> None:
        """Predict and judge a batch."""
        self.evaluator.part = data_batch
        super().run_iter(idx, data_batch.batch)


@LOOPS.register_module()
class LenientValLoop(_LeavesOut, ValLoop):
    """MMEngine's loop of validation, which a bad sample does not end.

    A sample that cannot be loaded, or crashes the worker that loads it, is listed in
    ``bad_samples.txt`` of the work dir and left out: the metrics are of the others, and say how
    many were ``left_out``. (Metrics of detection go by the file of annotations, and count its boxes
    as missed.) The model gets another sample in its place, so that batches are as long as ever. An
    :class:`amd_mm.KeyedDataset` replaces samples as in training: ``replaced``. Our commands take
    this loop where a config names none, or MMEngine's.

    Args:
        runner: The runner of this loop.
        dataloader: Data in an order that is the same each time.
        evaluator: Of the metrics.
        fp16: Whether to predict in mixed precision.
        max_share: Largest share of bad samples, in [0, 1), where there are ten or more.

    Raises:
        RuntimeError: When it ends, if more are bad; at once, if eleven in a row are.
    """


@LOOPS.register_module()
class LenientTestLoop(_LeavesOut, TestLoop):
    """MMEngine's loop of testing, which a bad sample does not end.

    It leaves samples out, and says so, as :class:`LenientValLoop` does, whose arguments it takes.
    """


def leave_out_bad_samples(runner: Runner) -> None:
    """Let a runner whose loops of evaluation are not built yet have ours in place of MMEngine's."""
    for part, name in (('val', 'ValLoop'), ('test', 'TestLoop')):
        loop = getattr(runner, f'_{part}_loop')
        if isinstance(loop, dict) and loop.get('type') in (None, name, f'mmengine.{name}'):
            setattr(runner, f'_{part}_loop', dict(loop, type=f'amd_mm.Lenient{name}'))
