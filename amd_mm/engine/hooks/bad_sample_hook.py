"""Counts samples that could not be loaded, lists them, and stops when there are too many."""
import re
from collections import Counter
from pathlib import Path

from mmengine.dist import all_gather_object, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from amd_mm.datasets.files import printable
from amd_mm.engine.bad_list import NAME, add_to, listed_in
from amd_mm.registry import HOOKS
from amd_mm.values import number, takes, whole


@HOOKS.register_module()
class BadSampleHook(Hook):
    """Keeps account of the samples that :class:`amd_mm.KeyedDataset` had to replace.

    Each bad file is logged once and written to ``bad_samples.txt`` in the work dir, a line
    of path, tab, reason; what does not print is escaped. Only a resumed run keeps the file of an
    earlier one; the counts begin anew.

    One process looks at its batch after every iteration, and does nothing where no sample is
    bad. Several processes exchange their counts every ``interval`` iterations and at the end
    of an epoch, so that all of them stop together.

    Args:
        max_share: Largest share of replaced samples, in [0, 1); repeats count once.
        min_count: How many samples have to be replaced before the share is judged, at
            least 1.
        interval: Iterations between two exchanges of several processes, at least 1.

    Raises:
        ValueError: For a number out of range.
    """

    @takes(max_share=number(0, below=1), min_count=whole(1), interval=whole(1))
    def __init__(self, max_share: float = .05, min_count: int = 10, interval: int = 50) -> None:
        self.max_share = max_share
        self.min_count = min_count
        self.interval = interval
        self.seen = self.replaced = 0
        self._new_seen = self._new_replaced = 0
        self._new_reports: dict[str, str] = {}
        self._listed: set[str] = set()
        self.kinds: Counter[str] = Counter()

    def before_train(self, runner: Runner) -> None:
        """Remember what an earlier start of a resumed run has listed; else begin a new list."""
        path = self._path(runner)
        self._listed = set()
        # MMEngine has no public word for it.
        if not runner._resume:
            if is_main_process():
                path.unlink(missing_ok=True)
        else:
            self._listed = listed_in(path)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Take note of the reports that travel with a batch.

        Raises:
            RuntimeError: If the share of replaced samples is too large.
        """
        assert data_batch is not None
        for sample in data_batch.get('data_samples', ()):
            # All repeats of a sample carry its report.
            if sample.get('repeat', 0) == 0:
                reports = sample.get('bad_samples', ())
                self._new_seen += 1
                self._new_replaced += bool(reports)
                self._new_reports.update(
                    (printable(path), printable(reason)) for path, reason in reports)
        if get_world_size() == 1 or self.every_n_train_iters(runner, self.interval):
            self._settle(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Exchange what is left. Raises as :meth:`after_train_iter` does."""
        self._settle(runner)

    def after_train(self, runner: Runner) -> None:
        """Exchange what is left, in a loop without epochs. Raises as the others do."""
        self._settle(runner)
        if self.kinds:
            runner.logger.warning(f'Bad samples of this run, by kind: {self._by_kind()}.')

    def _settle(self, runner: Runner) -> None:
        """Add up the counts of all processes, list new bad files, judge the share."""
        parts = all_gather_object((self._new_seen, self._new_replaced, self._new_reports))
        self._new_seen = self._new_replaced = 0
        self._new_reports = {}
        reports: dict[str, str] = {}
        for seen, replaced, part in parts:
            self.seen += seen
            self.replaced += replaced
            reports.update(part)
        if not reports:
            return
        new = {path: reason for path, reason in reports.items() if path not in self._listed}
        self._listed.update(new)
        self.kinds.update(_kind(reason) for reason in new.values())
        if is_main_process():
            add_to(self._path(runner), new, 'replaced by another one', runner.logger)
        if self.replaced >= self.min_count and self.replaced > self.max_share * self.seen:
            path, reason = next(iter(reports.items()))
            raise RuntimeError(
                f'at most {self.max_share:.1%} of the samples may be bad, but {self.replaced} of '
                f'{self.seen} had to be replaced, one of them {path} ({reason}); '
                f'{self._path(runner)} lists them all: {self._by_kind()}. Mend or remove the '
                'files, or raise max_share of BadSampleHook')

    def _by_kind(self) -> str:
        return ', '.join(f'{count} {kind}' for kind, count in self.kinds.most_common())

    @staticmethod
    def _path(runner: Runner) -> Path:
        return Path(runner.work_dir, NAME)


def _kind(reason: str) -> str:
    """A reason without the numbers that differ from file to file."""
    return re.sub(r'\d+(?! times)', 'N', reason)
