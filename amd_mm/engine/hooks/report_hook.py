"""The page about a run, while it goes on."""
import base64
from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import cv2
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from amd_mm.inference import fixed_keys, reconstruct
from amd_mm.models.algorithms import MaskedPretraining
from amd_mm.registry import HOOKS
from amd_mm.report import draw_chart, read_scalars, write_page
from amd_mm.values import takes, whole
from amd_mm.visualization import describe, draw_strip, reconstruction_views


@HOOKS.register_module()
class ReportHook(Hook):
    """Writes ``report/index.html`` into the work dir at every checkpoint.

    The page shows the networks' parameters, the curves and, for a masked pre-training, samples
    of the first batch with what student and teacher see of them and the reconstruction at the
    latest checkpoints. A part that fails is a warning and a line on the page; training does not
    notice, and weights with and without the hook are equal to the last bit.

    Args:
        num_samples: How many samples of the first batch are shown, at least 1.
        num_strips: How many of the latest reconstructions are shown, at least 1.
    """

    priority = 'LOWEST'  # After the checkpoint.

    @takes(num_samples=whole(1), num_strips=whole(1))
    def __init__(self, num_samples: int = 4, num_strips: int = 4) -> None:
        self.num_samples = num_samples
        self.num_strips = num_strips
        self._inputs: Any = None
        self._reported: str | None = None

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Keep samples of the first batch, and report if a checkpoint was written."""
        if not is_main_process():
            return
        if self._inputs is None and isinstance(_unwrapped(runner), MaskedPretraining):
            assert data_batch is not None
            kept = data_batch['inputs'][:self.num_samples]
            # Copies: a slice would hold on to the whole batch.
            self._inputs = kept.clone() if hasattr(kept, 'clone') else [x.clone() for x in kept]
        self._report_checkpoint(runner, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Report if a checkpoint was written."""
        if is_main_process():
            self._report_checkpoint(runner, runner.iter)

    def _report_checkpoint(self, runner: Runner, updates: int) -> None:
        written = next((getattr(hook, 'last_ckpt', None) for hook in runner.hooks
                        if isinstance(hook, CheckpointHook)), None)
        if written is None or written == self._reported:
            return
        self._reported = written
        parts: dict[str, Callable[[], str]] = {
            'What was trained': partial(_networks, runner), 'Curves': partial(_curves, runner)}
        if self._inputs is not None:
            parts['Masks and reconstructions'] = partial(self._strips, runner, updates)
        sections = {name: _attempt(runner, name, part) for name, part in parts.items()}
        try:
            write_page(Path(runner.work_dir) / 'report' / 'index.html',
                       f'{Path(runner.work_dir).name}, update {updates}', sections)
        except OSError as error:
            runner.logger.warning(f'The report was not written: {error}.')

    def _strips(self, runner: Runner, updates: int) -> str:
        model = _unwrapped(runner)
        if model.decoder is None:
            return '<p>This run has no decoder: nothing is reconstructed.</p>'
        if is_model_wrapper(runner.model) and not isinstance(runner.model,
                                                             DistributedDataParallel):
            return '<p>The weights are sharded: one process alone cannot draw.</p>'
        made = reconstruct(model, self._inputs, fixed_keys(len(self._inputs)))
        strip = draw_strip(reconstruction_views(*made, model.backbone.grid), describe(model))
        folder = Path(runner.work_dir) / 'report'
        folder.mkdir(parents=True, exist_ok=True)
        _, png = cv2.imencode('.png', cv2.cvtColor(strip, cv2.COLOR_RGB2BGR))
        (folder / f'strip_{updates:08d}.png').write_bytes(png.tobytes())
        files = sorted(folder.glob('strip_*.png'))
        for file in files[:-self.num_strips]:
            file.unlink()
        return ''.join(
            f'<h3>Update {int(file.stem[6:])}</h3><img alt="masks and reconstruction" '
            f'src="data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}">'
            for file in files[-self.num_strips:])


def _attempt(runner: Runner, name: str, part: Callable[[], str]) -> str:
    """A part of the page; whatever goes wrong in it must not end a run of days."""
    try:
        return part()
    except Exception as error:
        runner.logger.warning(f'Report without "{name}": {type(error).__name__}: {error}')
        return f'<p>Not shown: {escape(str(error))}</p>'


def _networks(runner: Runner) -> str:
    rows = ''.join(
        f'<tr><td>{escape(name)}<td>{_count(part, False):,}<td>{_count(part, True):,}'
        for name, part in _unwrapped(runner).named_children())
    return f'<table><tr><th>part<th>parameters<th>trained{rows}</table>'


def _count(part: nn.Module, trained: bool) -> int:
    return sum(weight.numel() for weight in part.parameters()
               if weight.requires_grad or not trained)


def _curves(runner: Runner) -> str:
    curves = read_scalars(runner.work_dir)
    return ''.join(draw_chart(name, {name: points}) for name, points in curves.items()) or (
        '<p>Nothing was logged yet.</p>')


def _unwrapped(runner: Runner) -> Any:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
