"""Fine-tuned models of the hosts: their weights and the names of their classes."""
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config, ConfigDict
from torch import nn

from amd_mm.checkpoints import Checkpoint, compare_weights
from amd_mm.checkpoints.matching import strip_outer_prefixes
from amd_mm.datasets.labels import read_classes
from amd_mm.registry import DATASETS


def check_count(classes: Sequence[str] | None, num_classes: int) -> None:
    """Compare class names, where there are some, with the classes of a model.

    Raises:
        ValueError: If they are not as many.
    """
    if classes is not None and len(classes) != num_classes:
        raise ValueError(
            f'Class names must be as many as the classes of the model, got {len(classes)} and '
            f'{num_classes}: name the right file by --classes')


def load_exactly(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Load every weight of a model.

    Raises:
        ValueError: If a weight is missing, left over or of another shape.
    """
    state = strip_outer_prefixes(checkpoint.state_dict)
    if problems := str(compare_weights(state, model.state_dict())):
        raise ValueError(
            f'Checkpoint {checkpoint.path}: must fit the model exactly, but {problems}. Name the '
            'config that it was trained with; a pre-trained one has to be fine-tuned first.')
    model.load_state_dict(state)


def find_classes(config: Config, checkpoint: Checkpoint,
                 given: str | Path | None) -> tuple[str, ...] | None:
    """Names of the classes: of a file, else the checkpoint's, else the data set's, else None.

    Args:
        config: That the checkpoint was trained with.
        checkpoint: Whose metadata may name them, as MMEngine's does.
        given: A file with one name a line.
    """
    if given is not None:
        return read_classes(str(given))
    meta = (checkpoint.meta.get('meta') or {}).get('dataset_meta') or {}
    dataset = (config.get('test_dataloader') or {}).get('dataset') or {}
    named = meta.get('classes') or (dataset.get('metainfo') or {}).get('classes')
    if isinstance(named, str):
        return read_classes(named) if Path(named).is_file() else None
    if named:
        return tuple(named)
    return _classes_of_type(dataset)


def _classes_of_type(dataset: ConfigDict) -> tuple[str, ...] | None:
    """The names that the hosts know of a published data set."""
    kind, scope = dataset.get('type'), dataset.get('_scope_')
    if kind is None:
        return None
    found = DATASETS.get(kind if scope is None or '.' in kind else f'{scope}.{kind}')
    names = getattr(found, 'METAINFO', {}).get('classes')
    return tuple(names) if names else None
