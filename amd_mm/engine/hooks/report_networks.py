"""What the networks of a pre-training are asked for its page, at a checkpoint."""
from collections.abc import Callable
from typing import Any

import numpy as np
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.visualization import LocalVisBackend
from torch.nn.parallel import DistributedDataParallel

from amd_mm.engine.run_facts import unwrapped
from amd_mm.inference import frame_interval_of, reconstruct
from amd_mm.report import Record
from amd_mm.report.gathering.alignment import compare_taps
from amd_mm.report.gathering.colours import colour_views
from amd_mm.report.gathering.features import Features, read_features
from amd_mm.report.gathering.health import measure_health
from amd_mm.report.gathering.neighbours import LabelledFolder
from amd_mm.report.gathering.samples import (
    Samples,
    as_network_sees,
    jpeg,
    keep_samples,
    unit_scale,
)
from amd_mm.visualization import describe, draw_strip, reconstruction_views

Part = tuple[str, Callable[[], None]]


class NetworkReport:
    """Reconstructions, colours, health and losses by tap, of the same samples all the time.

    Args:
        record: Where they are kept.
        num_samples: Samples in a picture.
        num_strips: Pictures beside the first that are kept.
        num_probed: Samples that figures are computed of.
    """

    def __init__(self, record: Record, num_samples: int, num_strips: int,
                 num_probed: int) -> None:
        self.record = record
        self.num_samples = num_samples
        self.num_kept = num_strips + 1
        self.num_probed = num_probed
        self._probed: Samples | None = None
        self._shown: Samples | None = None
        self._folder: LabelledFolder | None = None

    def read_folder(self, runner: Runner, folder: str, most: int) -> None:
        """Look at a labelled folder.

        Raises:
            ValueError: If it is none.
        """
        self._folder_name = folder
        self._folder = LabelledFolder(
            folder, unwrapped(runner).backbone.grid.is_video, most,
            frame_interval_of(runner.cfg.get('train_dataloader')))

    def keep(self, data_batch: Any) -> None:
        """Keep samples of the first batch."""
        self._probed = keep_samples(data_batch, max(self.num_probed, self.num_samples))
        self._shown = keep_samples(data_batch, self.num_samples)

    def parts(self, runner: Runner, updates: int) -> list[Part]:
        """What is to be done after these updates, each by the heading that it belongs to."""
        model = unwrapped(runner)
        parts: list[Part] = []
        probed = self._probed
        if probed is None:
            return parts
        if _is_shared_out(runner):
            def refuse() -> None:
                raise ValueError('weights are shared out over processes: one alone cannot look')
            return [('Reconstructions', refuse)]
        if model.decoder is not None:
            parts.append(('Reconstructions', lambda: self._reconstruct(runner, model, updates)))
        if getattr(model, 'lessons', ()):
            parts.append(('Losses', lambda: self._compare(model, updates)))
        read: list[Features] = []

        def features() -> Features:
            if not read:
                read.append(read_features(model, as_network_sees(model, probed)[0]))
            return read[0]

        parts.append(('Features as colours', lambda: self._colour(model, features(), updates)))
        parts.append(('Health', lambda: self._measure(features(), updates)))
        if self._folder is not None:
            parts.append(('Health: neighbours', lambda: self._ask_neighbours(model, updates)))
        return parts

    def _reconstruct(self, runner: Runner, model: Any, updates: int) -> None:
        assert self._shown is not None
        made = reconstruct(model, self._shown.inputs, self._shown.keyed)
        text = describe(model)
        strip = draw_strip(reconstruction_views(*made, model.backbone.grid))
        self._keep_picture('reconstructions', strip, text, updates)
        _show_elsewhere(runner, 'reconstruction', strip, updates)

    def _colour(self, model: Any, features: Features, updates: int) -> None:
        assert self._probed is not None
        images, _ = as_network_sees(model, self._probed)
        # Evenly spaced, as elsewhere.
        chosen = range(0, len(images), -(-len(images) // self.num_samples))
        shown = colour_views(features, model.backbone.grid, chosen)
        views = {'input': unit_scale(
            model.data_preprocessor, images[list(chosen)]).cpu(), **shown}
        self._keep_picture('colours', draw_strip(views), (
            'Of patches of which nothing is masked: the three directions in which the features '
            "of a network differ most are red, green and blue; the student's are turned towards "
            "its teacher's." if len(shown) > 1 else
            'Of patches of which nothing is masked: the three directions in which the features '
            'of the student differ most are red, green and blue.'), updates)

    def _keep_picture(self, name: str, picture: np.ndarray, text: str, updates: int) -> None:
        file = f'{name}_{updates:08d}.jpg'
        self.record.write_picture(file, jpeg(picture))
        self.record.add_point(name, updates, dict(picture=file, text=text), self.num_kept)

    def _compare(self, model: Any, updates: int) -> None:
        assert self._probed is not None
        images, mask = as_network_sees(model, self._probed)
        self.record.add_point('taps', updates, compare_taps(model, images, mask))

    def _measure(self, features: Features, updates: int) -> None:
        samples = len(next(iter(features.student.values())))
        self.record.add_point(
            'health', updates, dict(measure_health(features), samples=samples))

    def _ask_neighbours(self, model: Any, updates: int) -> None:
        assert self._folder is not None
        self.record.add_point('neighbours', updates, dict(
            top1=self._folder.top1(model), files=len(self._folder.files),
            classes=len(self._folder.classes), folder=self._folder_name))


def _is_shared_out(runner: Runner) -> bool:
    """Whether other processes would have to take part."""
    if is_model_wrapper(runner.model) and not isinstance(runner.model, DistributedDataParallel):
        return True
    return any(lesson.teacher.is_sharded for lesson in getattr(unwrapped(runner), 'lessons', ()))


def _show_elsewhere(runner: Runner, name: str, picture: np.ndarray, updates: int) -> None:
    """Give a picture to the loggers that have a place for it; files are on the page."""
    for backend in runner.visualizer._vis_backends.values():
        if not isinstance(backend, LocalVisBackend):
            backend.add_image(name, picture, step=updates)
