"""Encoders are found in what self-supervised training saves."""
from pathlib import Path

import pytest
import torch
from tiny_vits import image_vit

from amd_mm.checkpoints import fill_encoder
from amd_mm.checkpoints.frameworks import take_encoder, unwrap_names
from amd_mm.checkpoints.reading import Checkpoint
from amd_mm.export.convert import Options, convert_weights

ONE = torch.ones(1)


def encoder(seed: int = 0) -> dict[str, torch.Tensor]:
    """A ViT under timm's names, as these frameworks train."""
    result = convert_weights(Checkpoint(dict(image_vit(seed).state_dict())),
                             Options('timm', num_heads=3))
    return result.weights


def behind(prefix: str, state: dict) -> dict:
    return {prefix + name: value for name, value in state.items()}


HEAD = {'mlp.0.weight': ONE, 'last_layer.weight_g': ONE}
FILES = {
    'DINO': lambda ours, copy: {
        'student': behind('module.backbone.', copy) | behind('module.head.', HEAD),
        'teacher': behind('backbone.', ours) | behind('head.', HEAD),
        'optimizer': {}, 'epoch': 3},
    'MoCo v3': lambda ours, copy: {'state_dict': (
        behind('module.base_encoder.', ours | {'head.0.weight': ONE, 'head.1.running_mean': ONE})
        | behind('module.momentum_encoder.', copy) | {'module.predictor.0.weight': ONE})},
    'MoCo': lambda ours, copy: {'state_dict': (
        behind('module.encoder_q.', ours) | behind('module.encoder_k.', copy)
        | {'module.queue': ONE, 'module.queue_ptr': ONE})},
    'solo-learn': lambda ours, copy: {'state_dict': (
        behind('backbone.', ours) | behind('momentum_backbone.', copy)
        | {'projector.0.weight': ONE, 'momentum_projector.0.weight': ONE, 'classifier.weight': ONE,
           'classifier.bias': ONE})},
    'lightly': lambda ours, copy: {'state_dict': (
        behind('backbone.', ours) | behind('backbone_momentum.', copy)
        | {'projection_head.layers.0.weight': ONE, 'criterion.center': ONE})},
    'lightly (DINO)': lambda ours, copy: {'state_dict': (
        behind('teacher_backbone.', ours) | behind('student_backbone.', copy)
        | {'teacher_head.layers.0.weight': ONE, 'student_head.layers.0.weight': ONE})},
    'lightly (MAE)': lambda ours, copy: {'state_dict': (
        behind('backbone.vit.', ours)
        | {'backbone.mask_token': ONE, 'decoder.mask_token': ONE})},
    'mmpretrain (MoCo v3)': lambda ours, copy: {'state_dict': (
        behind('backbone.', image_vit().state_dict())
        | behind('momentum_encoder.module.0.', image_vit(seed=5).state_dict())
        | {'neck.fc0.weight': ONE, 'head.predictor.fc0.weight': ONE})},
    'FSDP': lambda ours, copy: {'model': {
        '_fsdp_wrapped_module.' + name.replace('blocks.', 'blocks._fsdp_wrapped_module.').replace(
            '.mlp.', '._checkpoint_wrapped_module.mlp.'): value for name, value in ours.items()}},
}


@pytest.mark.parametrize('name', FILES)
def test_the_encoder_is_found(name: str, tmp_path: Path) -> None:
    """Bit for bit, and not the copy that trains beside it."""
    torch.save(FILES[name](encoder(), encoder(seed=5)), tmp_path / 'a.pth')
    backbone = image_vit(seed=9)
    fill_encoder(backbone, tmp_path / 'a.pth')
    want = image_vit().state_dict()
    assert all(torch.equal(value, want[key]) for key, value in backbone.state_dict().items())


def test_what_is_left_out_is_listed() -> None:
    state = behind('base_encoder.', {'a': ONE}) | {'predictor.b': ONE}
    kept, dropped = take_encoder(state)
    assert list(kept) == ['a']
    assert dropped == {'predictor.b': 'MoCo v3: what is trained beside the encoder'}


@pytest.mark.parametrize('state', [
    {'backbone.a': ONE}, {'backbone.a': ONE, 'head.b': ONE},
    {'backbone.a': ONE, 'neck.b': ONE, 'decoder.c': ONE}])
def test_models_of_ours_are_left_as_they_are(state: dict) -> None:
    assert take_encoder(state) == (state, {})


def test_two_models_in_one_are_refused() -> None:
    with pytest.raises(ValueError, match="'a.b' is there with and without a wrapper"):
        unwrap_names({'a._fsdp_wrapped_module.b': ONE, 'a.b': ONE})
