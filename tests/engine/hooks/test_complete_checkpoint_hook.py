from types import SimpleNamespace

import pytest
import torch
from torch import nn

from amd_mm.engine import CompleteCheckpointHook

MODEL = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))


def check(state: dict, exact: bool = False) -> None:
    hook = CompleteCheckpointHook(exact)
    hook.after_load_checkpoint(SimpleNamespace(model=MODEL), dict(state_dict=state))


def test_a_whole_one_passes_with_and_without_the_wrappers_prefix():
    whole = MODEL.state_dict()
    check(whole)
    check({f'module.{name}': value for name, value in whole.items()}, exact=True)


@pytest.mark.parametrize('exact, remedy', [(False, 'fine-tuned first'), (True, 'init_cfg')])
def test_what_is_missing_or_reshaped_is_named(exact, remedy):
    state = dict(MODEL.state_dict(), **{'1.bias': torch.zeros(2)})
    del state['0.weight']
    with pytest.raises(ValueError, match=(
            r'not in the checkpoint: 0.weight; of another shape: 1.bias \(checkpoint \(2,\), '
            rf'model \(1,\)\).*{remedy}')):
        check(state, exact)


def test_further_keys_may_be_tested_with_but_not_trained_from():
    state = dict(MODEL.state_dict(), decoder=torch.zeros(1))
    check(state)
    with pytest.raises(ValueError, match='of the same model, but not in the model: decoder'):
        check(state, exact=True)
