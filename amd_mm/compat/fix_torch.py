"""torch's safe loading of the checkpoints that MMEngine writes."""
from types import ModuleType

from amd_mm.compat.fix import Fix, Verdict

_DTYPES = ('float64', 'float32', 'int64', 'int32', 'uint8', 'bool')


def checkpoint_classes() -> list[object | tuple[object, str]]:
    """List what the pickle of an MMEngine checkpoint names besides tensors and builtins.

    That is its message hub: buffers of logged scalars, over numpy arrays and numbers.
    All of these only hold numbers. A pair is an object under the name that numpy 1
    gave it.
    """
    import numpy as np
    from mmengine.logging.history_buffer import HistoryBuffer
    reconstruct = np.empty(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    return [
        HistoryBuffer, np.ndarray, np.dtype, reconstruct, scalar,
        *(type(np.dtype(name)) for name in _DTYPES),
        (reconstruct, 'numpy.core.multiarray._reconstruct'),
        (scalar, 'numpy.core.multiarray.scalar'),
    ]


def _loads_weights_only(torch: ModuleType) -> Verdict:
    version = tuple(int(part) for part in torch.__version__.split('.')[:2])
    if version < (2, 6):
        return Verdict(False, 'torch < 2.6 loads anything by default')
    return Verdict(True, 'torch >= 2.6 loads weights only by default')


def _allow_checkpoint_classes(torch: ModuleType) -> None:
    torch.serialization.add_safe_globals(checkpoint_classes())


FIXES = [
    Fix(name='torch-checkpoint-classes', host='torch',
        symptom='resume: Weights only load failed ... Unsupported global: '
                'mmengine.logging.history_buffer.HistoryBuffer',
        affected='mmengine <= 0.10.7 with torch >= 2.6',
        link='https://github.com/open-mmlab/mmengine/issues/1655',
        trigger='torch', check=_loads_weights_only, apply=_allow_checkpoint_classes),
]
