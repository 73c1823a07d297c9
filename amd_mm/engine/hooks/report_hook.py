"""The page about a run, while it goes on."""
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from amd_mm.engine.hooks.report_networks import NetworkReport
from amd_mm.engine.next_commands import config_file, next_commands
from amd_mm.engine.run_facts import bad_samples, run_facts, unwrapped
from amd_mm.models.algorithms import MaskedPretraining
from amd_mm.registry import HOOKS
from amd_mm.report import Record, write_report
from amd_mm.report.gathering.alignment import takes_raw_features
from amd_mm.report.gathering.encoder import export_encoder
from amd_mm.report.gathering.part_times import PartTimes
from amd_mm.report.gathering.predictions import Predictions
from amd_mm.report.gathering.samples import draw_samples, keep_samples
from amd_mm.stopping import stop_signals
from amd_mm.values import FLAG, TEXT, number, optional, takes, whole

# Updates whose parts are timed: after a start, and after each page.
_TIMED, _TIMED_AGAIN = range(3, 8), 2


@HOOKS.register_module()
class ReportHook(Hook):
    """Writes ``report/index.html`` into the work dir, after the first update and every checkpoint.

    docs/report.md shows what is on it. Of a pre-training the encoder is exported besides, to
    ``encoder.safetensors``. A part that fails is a warning and a line on the page; training does
    not notice, and weights with and without the hook are equal to the last bit.

    Args:
        num_samples: How many samples of a batch are shown, at least 1.
        num_strips: How many of the latest reconstructions are shown beside the first, at least 1.
        num_probed: Samples of the first batch that figures are computed of, at least 2.
        num_mistakes: The surest mistakes of a classifier that are shown.
        knn: Folder with a folder a class, whose files the student's neighbours tell apart; None:
            nothing of it.
        knn_files: How many of them at most, at least 4.
        export: Whether the encoder of a pre-training is exported.
        max_share: Share of the time so far, in (0, 1], that this may take: beyond it networks are
            asked less often, but for the first and the last time.

    Raises:
        ValueError: For a number out of range; before training for a ``knn`` that is no such folder.
    """

    # After the hook that saves, and before that which saves and ends a run that is told to stop.
    priority = 95

    @takes(num_samples=whole(1), num_strips=whole(1), num_probed=whole(2), num_mistakes=whole(0),
           knn=optional(TEXT), knn_files=whole(4), export=FLAG,
           max_share=number(above=0, high=1))
    def __init__(self, num_samples: int = 4, num_strips: int = 4, num_probed: int = 16,
                 num_mistakes: int = 12, knn: str | None = None, knn_files: int = 512,
                 export: bool = True, max_share: float = .02) -> None:
        self.num_samples = num_samples
        self.num_strips = num_strips
        self.num_probed = num_probed
        self.num_mistakes = num_mistakes
        self.knn = knn
        self.knn_files = knn_files
        self.export = export
        self.max_share = max_share
        self._record: Record | None = None
        self._networks: NetworkReport | None = None
        self._times = PartTimes()
        self._timed = list(_TIMED)
        self._done = 0
        self._reported: str | None = None
        self._failures: dict[str, str] = {}
        self._seconds = self._last_cost = 0.

    @property
    def record(self) -> Record:
        """Of the run; the first process alone has one."""
        assert self._record is not None, 'only the process that writes asks'
        return self._record

    def before_train(self, runner: Runner) -> None:
        """Begin the record, or go on with that of the run that is resumed."""
        if not is_main_process():
            return
        self._record = Record(runner.work_dir)
        # MMEngine has no public word for it.
        if not runner._resume:
            with self._careful(runner, 'the page'):
                self.record.clear()
        # The checkpoint that a run is resumed from is no news.
        self._is_new_checkpoint(runner)
        before = self.record.read('progress')
        self._seconds = float(before.get('report_seconds', 0.))
        self._began = time.monotonic() - float(before.get('run_seconds', 0.))
        if isinstance(unwrapped(runner), MaskedPretraining):
            self._networks = NetworkReport(
                self.record, self.num_samples, self.num_strips, self.num_probed)
            if self.knn is not None:
                self._networks.read_folder(runner, self.knn, self.knn_files)

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | tuple | list | None = None) -> None:
        """Time the parts of some updates."""
        self._done += 1
        if not is_main_process() or self._done not in self._timed:
            return
        model = unwrapped(runner)
        if 'masked_loss' in vars(model):
            self._timed = []
            self.record.write('times', dict(
                reason='The networks are compiled as a whole: their parts cannot be timed.'))
            return
        with self._careful(runner, 'Time and cost'):
            self._times.begin(model, runner.optim_wrapper)

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Keep samples of the first and the last batch, and report if a checkpoint was written."""
        if not is_main_process():
            return
        self._end_timing(runner)
        if self._done == 1:
            self._begin(runner, data_batch)
        is_new = self._is_new_checkpoint(runner)
        if is_new or self.end_of_epoch(runner.train_dataloader, batch_idx):
            self._show_batch(runner, data_batch, 'last', runner.iter + 1)
        if is_new:
            self._report_checkpoint(runner, runner.iter + 1)
        elif stop_signals.received:
            self._write(runner, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Report if a checkpoint was written."""
        if is_main_process() and self._is_new_checkpoint(runner):
            self._report_checkpoint(runner, runner.iter)

    def before_val_epoch(self, runner: Runner) -> None:
        """Begin to count predictions."""
        self._predictions = Predictions(self.num_mistakes if is_main_process() else 0)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                       outputs: Sequence[Any] | None = None) -> None:
        """Count those of a batch."""
        with self._careful(runner, 'Predictions'):
            self._predictions.add(data_batch or {}, outputs or ())

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Show them, and the figures of the validation."""
        pairs = self._predictions.all_pairs()
        # A model is validated without training, too.
        if self._record is None:
            return
        with self._careful(runner, 'Predictions'):
            if pairs:
                self._show_predictions(runner, pairs)
        self._write(runner, runner.iter)

    def after_train(self, runner: Runner) -> None:
        """Write the page of the run that has ended."""
        if is_main_process() and self._done:
            self._write(runner, runner.iter)

    def _is_new_checkpoint(self, runner: Runner) -> bool:
        info = runner.message_hub.runtime_info
        written = info.get('interim_checkpoint'), info.get('last_ckpt')
        is_new = any(written) and str(written) != self._reported
        self._reported = str(written)
        return is_new

    def _begin(self, runner: Runner, data_batch: dict | None) -> None:
        with self._careful(runner, 'What was trained'):
            self.record.write('facts', dict(
                run_facts(runner), raw_features=takes_raw_features(unwrapped(runner))))
        if self._networks is not None:
            with self._careful(runner, 'Reconstructions'):
                self._networks.keep(data_batch)
        if not self.record.read('first_batch'):
            self._show_batch(runner, data_batch, 'first', runner.iter + 1)
        self._write(runner, runner.iter + 1)

    def _report_checkpoint(self, runner: Runner, updates: int) -> None:
        began = time.monotonic()
        is_last = updates >= runner.max_iters
        allowed = self.max_share * (began - self._began)
        is_first = not self._last_cost
        if is_first or is_last or self._seconds + self._last_cost <= allowed:
            parts: list[tuple[str, Callable[[], None]]] = []
            if self._networks is not None:
                parts += self._networks.parts(runner, updates)
                if self.export:
                    parts.append(('What comes next', lambda: self._export(runner, updates)))
            for name, part in parts:
                with self._careful(runner, name):
                    part()
            self._last_cost = time.monotonic() - began
        self._write(runner, updates)
        # The wait before the next update has this page in it.
        self._timed += range(self._done + 2, self._done + 2 + _TIMED_AGAIN)

    def _export(self, runner: Runner, updates: int) -> None:
        # MMEngine writes it at the start; to format it again takes a second.
        path = config_file(runner)
        config = path.read_text() if path.is_file() else runner.cfg.pretty_text
        found = export_encoder(unwrapped(runner), config, runner.work_dir)
        self.record.write('encoder', dict(found, update=updates))

    def _end_timing(self, runner: Runner) -> None:
        with self._careful(runner, 'Time and cost'):
            waited = runner.message_hub.log_scalars.get('train/data_time')
            self._times.end(waited.current() if waited else 0.,
                            getattr(runner.train_loop, 'waited', 0.))

    def _show_batch(self, runner: Runner, data_batch: dict | None, which: str,
                    update: int) -> None:
        with self._careful(runner, 'Batches'):
            assert data_batch is not None
            kept = keep_samples(data_batch, self.num_samples)
            name = f'{which}_batch.jpg'
            self.record.write_picture(name, draw_samples(unwrapped(runner), kept))
            self.record.write(f'{which}_batch', dict(
                picture=name, title=f'{which} batch, update {update:,}'.capitalize(),
                text=_words(kept.data_samples, isinstance(unwrapped(runner), MaskedPretraining))))

    def _show_predictions(self, runner: Runner, pairs: dict[tuple[int, int], int]) -> None:
        mistakes = []
        for place, (facts, samples) in enumerate(self._predictions.mistakes()):
            name = f'mistake_{place}.jpg'
            self.record.write_picture(
                name, draw_samples(unwrapped(runner), samples, training=False, max_frames=3))
            mistakes.append(dict(facts, picture=name))
        classes = getattr(runner.val_dataloader.dataset, 'metainfo', {}).get('classes')
        self.record.write('predictions', dict(
            update=runner.iter, classes=list(classes or ()), mistakes=mistakes,
            pairs=[(*pair, count) for pair, count in sorted(pairs.items())]))

    def _write(self, runner: Runner, updates: int) -> None:
        with self._careful(runner, 'the page'):
            encoder = self.record.read('encoder')
            self.record.write('next', dict(
                encoder, commands=next_commands(runner, encoder.get('file'))))
            if self._times.updates:
                self.record.write('times', dict(
                    parts=self._times.shares(), seconds=self._times.seconds,
                    updates=self._times.updates))
            self.record.write('failures', self._failures)
            self.record.write('progress', dict(
                update=updates, bad=bad_samples(runner), report_seconds=self._seconds,
                run_seconds=time.monotonic() - self._began))
            write_report(runner.work_dir)

    @contextmanager
    def _careful(self, runner: Runner, name: str) -> Iterator[None]:
        """Whatever goes wrong with a part of the page must not end a run of days."""
        began = time.monotonic()
        try:
            yield
            self._failures.pop(name, None)
        except Exception as error:
            reason = f'{type(error).__name__}: {error}'
            if self._failures.get(name) != reason:
                runner.logger.warning(f'Report without "{name}": {reason}')
            self._failures[name] = reason
        finally:
            self._seconds += time.monotonic() - began


def _words(samples: Sequence[Any], is_masked: bool) -> str:
    """What there is to say of a batch."""
    if is_masked:
        return ('As the networks get it; what one does not see is grey.'
                if any(sample.get('sample_key') is not None for sample in samples) else
                'As the networks get it; the data has no sample keys, so the masks are others '
                'of the kind.')
    labels = ['+'.join(map(str, sample.gt_label.flatten().tolist()))
              for sample in samples if hasattr(sample, 'gt_label')]
    return 'As the network gets it' + (
        f'; labels {", ".join(labels)}.' if labels else '.')
