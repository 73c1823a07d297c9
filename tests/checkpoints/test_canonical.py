import pytest
import tiny_vits
import torch

from amd_mm.checkpoints import Checkpoint, canonical_weights, compare_weights
from amd_mm.checkpoints.canonical import match_layout


def checkpoint(**changes: torch.Tensor | None) -> Checkpoint:
    state = {f'module.{name}': value for name, value in
             tiny_vits.pretraining('video').state_dict().items()}
    for name, value in changes.items():
        state[f'module.{name}'] = value
    return Checkpoint({name: value for name, value in state.items() if value is not None})


def test_a_file_becomes_canonical_weights():
    source = checkpoint()
    whole = canonical_weights(source, 'all')
    assert whole.layout.label == 'amd_mm (video)' and not whole.dropped
    qkv = whole.weights['encoder.blocks.1.qkv.weight']
    assert qkv is source.state_dict['module.backbone.blocks.1.attn.qkv.weight']
    assert whole.sources['encoder.patch.weight'] == ('backbone.patch_embed.projection.weight', )
    encoder = canonical_weights(source, 'encoder')
    assert set(encoder.weights) == {name for name in whole.weights if name.startswith('encoder.')}
    assert len(encoder.dropped) == len(whole.weights) - len(encoder.weights)


def test_every_key_is_explained_and_every_block_complete():
    with pytest.raises(ValueError, match='1 keys are unknown: backbone.rotary'):
        canonical_weights(checkpoint(**{'backbone.rotary': torch.ones(1)}), 'all')
    lost = {'backbone.blocks.0.norm1.bias': None}
    with pytest.raises(ValueError, match='missing .*encoder.blocks.0.norm1.bias'):
        canonical_weights(checkpoint(**lost), 'all')


def test_a_match_tolerates_what_it_does_not_know():
    state, match = match_layout(checkpoint(**{'backbone.rotary': torch.ones(1)}))
    assert match.unexplained == ['backbone.rotary'] and 'backbone.rotary' in state


def test_differences_are_named_by_kind():
    weights = dict(a=torch.ones(1), b=torch.ones(2), left=torch.ones(1))
    model = dict(b=torch.ones(3), c=torch.ones(1), table=torch.ones(1))
    found = compare_weights(weights, model, may_miss=('table', ), may_be_left=('left', ))
    assert found == (['c'], ['a'], ['b (checkpoint (2,), model (3,))'])
    assert str(found) == ('not in the checkpoint: c; not in the model: a; '
                          'of another shape: b (checkpoint (2,), model (3,))')
    assert str(compare_weights(model, model)) == ''
