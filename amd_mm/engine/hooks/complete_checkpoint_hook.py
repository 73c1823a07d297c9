"""Refuses to test with weights that a checkpoint does not hold."""
from collections.abc import Mapping

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from amd_mm.checkpoints import compare_weights
from amd_mm.registry import HOOKS
from amd_mm.values import FLAG, takes


@HOOKS.register_module()
class CompleteCheckpointHook(Hook):
    """Stops when a loaded checkpoint lacks a weight of the model, or has it in another shape.

    MMEngine logs a warning and goes on with random weights, for instance when a pre-trained
    checkpoint is tested whose classifier has yet to be learnt.

    Args:
        exact: Further keys are an error too: training from or going on with a checkpoint of
            another network. A test may leave some over.
    """

    # After the hooks that choose other weights, such as EMAHook.
    priority = 'LOWEST'

    @takes(exact=FLAG)
    def __init__(self, exact: bool = False) -> None:
        self.exact = exact

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the checkpoint with the model.

        Raises:
            ValueError: With the first weights that are missing or do not fit.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        found = {name.removeprefix('module.'): value
                 for name, value in _weights_in(checkpoint).items()}
        problems = str(compare_weights(
            found, model.state_dict(), may_be_left=() if self.exact else found))
        if problems and self.exact:
            raise ValueError(
                f'a checkpoint to train from (load_from) or to resume must be of the same model, '
                f'but {problems}. To take an encoder alone, of any layout, use '
                "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=FILE)")
        if problems:
            raise ValueError(
                f'a checkpoint to test with must hold every weight of the model, but {problems}. '
                'Test with the config it was trained with; a pre-trained checkpoint has to be '
                'fine-tuned first')


def _weights_in(checkpoint: object) -> Mapping[str, Tensor]:
    """The names and tensors of what MMEngine has read."""
    state = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, Mapping) else None
    if not isinstance(state, Mapping):
        found = f'a {type(checkpoint if state is None else state).__name__}'
    else:
        found = ', '.join(f'{name!r:.40}: {type(value).__name__}' for name, value in state.items()
                          if not (isinstance(name, str) and isinstance(value, Tensor)))
        if not found:
            return state
    raise ValueError('a checkpoint must hold names and tensors, bare or as its state_dict, but '
                     f'found {found:.200}. Save `dict(state_dict=model.state_dict())`')
