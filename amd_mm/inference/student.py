"""The part of a pre-training model that draws: no teacher, no neck."""
from pathlib import Path

from mmengine.config import Config

from amd_mm.checkpoints import compare_weights, read_state_dict
from amd_mm.checkpoints.matching import show, strip_outer_prefixes
from amd_mm.models.algorithms import MaskedAutoencoder

_PARTS = ('backbone', 'mask_generator', 'decoder', 'head')


def build_student(config: Config) -> MaskedAutoencoder:
    """The student of a pre-training config, with untrained weights, in eval mode.

    Of a teacher only the mask is needed, and that is the mask generator's: the network is not
    built and its checkpoint not read.

    Raises:
        ValueError: If the config is not one of pre-training with a decoder.
    """
    model = config.get('model') or {}
    lacking = [part for part in _PARTS if not model.get(part)]
    if lacking:
        raise ValueError(
            f'A reconstruction needs a pre-training config whose model has {", ".join(_PARTS)}, '
            f'got {model.get("type")} without {", ".join(lacking)}: name the config that the '
            'checkpoint was pre-trained with.')
    preprocessor = model.get('data_preprocessor') or config.get('data_preprocessor')
    return MaskedAutoencoder(
        **{part: model[part] for part in _PARTS}, data_preprocessor=preprocessor).eval()


def load_student(model: MaskedAutoencoder, path: str | Path) -> None:
    """Load encoder and decoder of a pre-training checkpoint, strictly.

    Only necks are left over: they speak to teachers and draw nothing.

    Raises:
        ValueError: If the file cannot be read, is not one of pre-training or does not fit.
    """
    state = {name: value for name, value in strip_outer_prefixes(read_state_dict(path)).items()
             if not name.startswith(('neck.', 'necks.'))}
    parts = {name.partition('.')[0] for name in state}
    for part in ('backbone', 'decoder'):
        if part not in parts:
            raise ValueError(
                f'Checkpoint {path}: must be one of pre-training, with backbone and decoder, but '
                f'it has no {part}, only {show(sorted(parts))}. Fine-tuned and converted encoders '
                'cannot reconstruct: name the checkpoint that pre-training wrote.')
    if problems := str(compare_weights(state, model.state_dict())):
        raise ValueError(
            f'Checkpoint {path}: backbone and decoder must fit the config exactly, but '
            f'{problems}. Name the config that it was pre-trained with.')
    model.load_state_dict(state)
