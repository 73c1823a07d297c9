import pytest
import torch
from runs import run_processes, toy_config
from torch import nn

from amd_mm.engine import EqualWeightsHook
from amd_mm.engine.hooks.equal_weights_hook import _sum_of_bits


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16])
def test_a_sum_hangs_on_the_last_bit(dtype):
    weight = torch.linspace(-2, 2, 30).to(dtype).reshape(5, 6)
    other = weight.clone()
    assert _sum_of_bits(weight.t()) == _sum_of_bits(other)
    other[2, 3] = torch.nextafter(other[2, 3].float(), torch.tensor(9.)).to(dtype) if (
        dtype != torch.bfloat16) else other[2, 3] * 1.01
    assert not torch.equal(weight, other)
    assert _sum_of_bits(weight) != _sum_of_bits(other)


def test_weights_that_are_shared_out_are_refused(monkeypatch):
    class Runner:
        model = nn.Linear(2, 2)

    EqualWeightsHook().before_train(Runner)
    # Every weight stands for one that is shared out.
    monkeypatch.setattr('amd_mm.engine.hooks.equal_weights_hook.DTensor', nn.Parameter)
    with pytest.raises(ValueError, match='shared out'):
        EqualWeightsHook().before_train(Runner)


@pytest.mark.slow
def test_a_weight_that_drifts_stops_all_processes(tmp_path):
    cfg = toy_config(tmp_path, size=32, checkpoint=dict(
        type='CheckpointHook', interval=1, by_epoch=False))
    cfg.custom_hooks += [dict(type='amd_mm.EqualWeightsHook', interval=2),
                         dict(type='DriftHook', rank=1, iteration=4)]
    with pytest.raises(RuntimeError, match=(
            r'after iteration 6 module\.net\.2\.bias of process 1 differs')):
        run_processes(2, cfg)
    assert not (tmp_path / 'iter_6.pth').exists() and (tmp_path / 'iter_5.pth').exists()
