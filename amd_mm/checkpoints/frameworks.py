"""Encoders inside what self-supervised training saves: beside momentum copies and projectors."""
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

# Put between the names of modules by torch's FSDP, activation checkpointing and compile.
_WRAPPERS = ('_fsdp_wrapped_module.', '_checkpoint_wrapped_module.', '_orig_mod.')


class Framework(NamedTuple):
    """How a framework names the encoder and what it trains beside it.

    Attributes:
        name: For messages.
        encoder: What stands before the encoder's names.
        companions: What the names of everything else start with; one of them has to be there.
    """
    name: str
    encoder: str
    companions: tuple[str, ...]


# Beside any encoder, in models of ours too: they tell no framework.
_HEADS = ('head.', 'neck.', 'decoder.', 'data_preprocessor.')
FRAMEWORKS = (
    Framework('MoCo v3', 'base_encoder.', ('momentum_encoder.', 'predictor.')),
    Framework('MoCo', 'encoder_q.', ('encoder_k.', 'queue')),
    Framework('solo-learn', 'backbone.', (
        'momentum_backbone.', 'projector.', 'momentum_projector.', 'predictor.', 'prototypes.',
        'momentum_prototypes.', 'classifier.', 'momentum_classifier.', 'queue')),
    Framework('lightly (DINO)', 'teacher_backbone.', (
        'student_backbone.', 'student_head.', 'teacher_head.', 'criterion.')),
    Framework('lightly (MAE)', 'backbone.vit.', ('backbone.mask_token', 'criterion.')),
    Framework('lightly', 'backbone.', (
        'backbone_momentum.', 'projection_head.', 'projection_head_momentum.', 'prediction_head.',
        'online_classifier.', 'criterion.')),
    Framework('mmpretrain', 'backbone.', (
        'momentum_encoder.', 'encoder_k.', 'target_net.', 'teacher.', 'queue')))


def unwrap_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights without the names that wrappers put between those of modules.

    Raises:
        ValueError: If two names become the same.
    """
    unwrapped: dict[str, Tensor] = {}
    for key, value in state.items():
        for wrapper in _WRAPPERS:
            key = key.replace(wrapper, '')
        if key in unwrapped:
            raise ValueError(
                f'Checkpoint keys: each weight must be there once, but {key!r} is there with and '
                'without a wrapper. Two models seem to be mixed in the file; save one of them.')
        unwrapped[key] = value
    return unwrapped


def take_encoder(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Take the encoder out of a file of self-supervised training.

    Args:
        state: Names to tensors, without outer prefixes.

    Returns:
        The encoder's weights under names of their own, and the names of all others with the
        reason why they are left out; the whole state and nothing if it is no such file.
    """
    for framework in FRAMEWORKS:
        inside = {key for key in state if key.startswith(framework.encoder)}
        others = state.keys() - inside
        companions = {key for key in others if key.startswith(framework.companions)}
        if inside and companions and all(key.startswith(_HEADS) for key in others - companions):
            reason = f'{framework.name}: what is trained beside the encoder'
            return ({key.removeprefix(framework.encoder): value for key, value in state.items()
                     if key in inside}, dict.fromkeys(sorted(others), reason))
    return dict(state), {}
