"""torch's safe loading of the checkpoints that MMEngine writes."""
import pickle
from typing import Any

from amd_mm.compat.fix import Fix, Verdict

_STATISTICS = ('min', 'max', 'mean', 'current')


def statistic_of(owner: object, name: str) -> object:
    """Stand for ``getattr`` in a checkpoint: look up one of HistoryBuffer's statistics.

    The buffers are pickled together with their statistics, each as
    ``getattr(HistoryBuffer, name)``. To allow the real ``getattr`` would be to allow
    everything: from any function it leads to that function's globals.

    Raises:
        pickle.UnpicklingError: If anything else is looked up.
    """
    from mmengine.logging.history_buffer import HistoryBuffer
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(
            f'getattr({owner!r}, {name!r}) is refused: a checkpoint may look up only '
            f'{", ".join(_STATISTICS)} of HistoryBuffer.')
    return getattr(HistoryBuffer, name)


def checkpoint_classes() -> list[object | tuple[object, str]]:
    """List what the pickle of an MMEngine checkpoint names besides tensors and builtins.

    That is its message hub: buffers of logged scalars, over numpy arrays and numbers.
    A pair is an object under the name that the file gives it. For ``getattr`` and for numpy's
    own functions, which write where a forged file says, stand harmless ones.
    """
    from mmengine.logging.history_buffer import HistoryBuffer

    from amd_mm.compat.plain_pickle import CheckedArray, PlainDtype, reconstruct, scalar
    return [
        HistoryBuffer, (CheckedArray, 'numpy.ndarray'), (PlainDtype, 'numpy.dtype'),
        *((function, f'{core}.multiarray.{name}') for core in ('numpy.core', 'numpy._core')
          for function, name in ((reconstruct, '_reconstruct'), (scalar, 'scalar'))),
        (statistic_of, 'builtins.getattr'),
    ]


def _loads_weights_only(torch: Any) -> Verdict:
    version = tuple(int(part) for part in torch.__version__.split('.')[:2])
    if version < (2, 6):
        return Verdict(False, 'torch < 2.6 loads anything by default')
    return Verdict(True, 'torch >= 2.6 loads weights only by default')


def _allow_checkpoint_classes(torch: Any) -> None:
    torch.serialization.add_safe_globals(checkpoint_classes())


def _loads_everything_on_failure(checkpoint: Any) -> Verdict:
    if hasattr(checkpoint, '_safe_torch_load'):
        return Verdict(True, 'MMEngine loads with weights_only=False what it cannot load safely')
    return Verdict(False, 'MMEngine leaves weights_only to torch')


def _load_weights_only(checkpoint: Any) -> None:
    def load(file: object, map_location: object = None, weights_only: bool | None = None) -> object:
        return checkpoint.torch.load(
            file, map_location=map_location, weights_only=weights_only is not False)

    checkpoint._safe_torch_load = load


FIXES = [
    Fix(name='torch-checkpoint-classes', host='torch',
        symptom='resume: Weights only load failed ... Unsupported global: '
                'mmengine.logging.history_buffer.HistoryBuffer',
        affected='mmengine <= 0.10.7 with torch >= 2.6',
        link='https://github.com/open-mmlab/mmengine/issues/1655',
        trigger='torch', check=_loads_weights_only, apply=_allow_checkpoint_classes),
    Fix(name='mmengine-unsafe-fallback', host='mmengine',
        symptom='a checkpoint that wants arbitrary classes is executed, with a warning only',
        affected='the fork of mmengine at 0.10.12, whose own allow-list holds getattr besides',
        link='https://github.com/VBTI-development/onedl-mmengine/blob/main/mmengine/runner/'
             'checkpoint.py',
        trigger='mmengine.runner.checkpoint',
        check=_loads_everything_on_failure, apply=_load_weights_only),
]
