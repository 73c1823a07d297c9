"""Pictures of the reconstruction while training goes on."""
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from amd_mm.inference import fixed_keys, reconstruct
from amd_mm.models.algorithms import MaskedPretraining
from amd_mm.registry import HOOKS
from amd_mm.values import takes, whole
from amd_mm.visualization import describe, draw_strip, reconstruction_views


@HOOKS.register_module()
class ReconstructionHook(Hook):
    """Gives the runner's visualizer a strip of the same few samples every N iterations.

    The samples are some of the first batch after the start (or the resumption) of the run,
    evenly spaced, with masks that stay the same, so that only the model changes from one
    picture to the next. TensorBoard shows them under ``reconstruction``; files are
    ``vis_data/vis_image/reconstruction_ITERATION.png``. Training does not notice: weights with
    and without the hook are equal to the last bit.

    Args:
        interval: Iterations from one picture to the next, at least 1.
        num_samples: How many samples a picture shows, at least 1.
        max_frames: How many frames of a clip, at least 1.

    Raises:
        ValueError: For a number that is too small; before training if there is nothing to
            draw with.
    """

    priority = 'LOW'

    @takes(interval=whole(1), num_samples=whole(1), max_frames=whole(1))
    def __init__(self, interval: int = 500, num_samples: int = 4, max_frames: int = 8) -> None:
        self.interval = interval
        self.num_samples = num_samples
        self.max_frames = max_frames
        self._inputs: Any = None

    def before_train(self, runner: Runner) -> None:
        """Check that the model can draw."""
        model = _unwrapped(runner)
        if not isinstance(model, MaskedPretraining) or model.decoder is None:
            raise ValueError(
                'ReconstructionHook needs amd_mm.MaskedAutoencoder or amd_mm.AMD with a decoder, '
                f'got {type(model).__name__} without: remove the hook.')

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Keep samples of the first batch, and draw when it is time."""
        if not is_main_process():
            return
        if self._inputs is None:
            assert data_batch is not None
            inputs = data_batch['inputs']
            # Evenly spaced: neighbours may be repeats of one clip.
            kept = inputs[::max(1, len(inputs) // self.num_samples)][:self.num_samples]
            # Copies: a slice would hold on to the whole batch.
            self._inputs = kept.clone() if hasattr(kept, 'clone') else [x.clone() for x in kept]
        if not self.every_n_train_iters(runner, self.interval):
            return
        model = _unwrapped(runner)
        made = reconstruct(model, self._inputs, fixed_keys(len(self._inputs)))
        views = reconstruction_views(*made, model.backbone.grid)
        runner.visualizer.add_image(
            'reconstruction', draw_strip(views, describe(model), self.max_frames),
            step=runner.iter + 1)


def _unwrapped(runner: Runner) -> MaskedPretraining:
    """The model itself: only one process draws, and a wrapper would wait for the others."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
