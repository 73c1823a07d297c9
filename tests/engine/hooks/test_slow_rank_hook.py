import logging
from types import SimpleNamespace

import pytest
import torch
from clock import Clock
from torch import nn

import amd_mm.engine.hooks.slow_rank_hook as module
from amd_mm.engine import SlowRankHook


class Model(nn.Module):
    """Takes half a second of a clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.clock = clock

    def forward(self) -> None:
        self.clock.sleep(.5)


@pytest.fixture
def steps(monkeypatch, caplog):
    """Makes steps: a second until the batch, two passes of half a second, two seconds beside."""
    clock = Clock()
    monkeypatch.setattr(module, 'time', clock)
    monkeypatch.setattr(module, 'get_world_size', lambda: 3)
    monkeypatch.setattr(module, 'current', lambda: SimpleNamespace(
        names=[f'rank {rank} on node{rank}' for rank in range(3)]))
    model = Model(clock)
    runner = SimpleNamespace(model=model, logger=logging.getLogger('slow'))

    def run(hook: SlowRankHook, count: int) -> list[str]:
        caplog.clear()
        for iteration in range(count):
            clock.sleep(1)
            model()
            clock.sleep(1)  # backward, of an update of two batches
            model()
            clock.sleep(1)
            hook.after_train_iter(runner, iteration)
        return [record.getMessage() for record in caplog.records]

    run.runner, run.clock, run.model = runner, clock, model
    return run


def test_the_slow_one_is_named_once_with_its_share(steps, monkeypatch):
    seen = []

    def all_gather(own: torch.Tensor) -> list[torch.Tensor]:
        seen.append(own.tolist())
        return [own, torch.tensor([.5, 0, 4.]), torch.tensor([.25, .75, 4.])]
    monkeypatch.setattr(module, 'all_gather', all_gather)
    hook = SlowRankHook(interval=2)
    hook.before_train(steps.runner)
    steps.clock.sleep(7)
    hook.before_train_epoch(steps.runner)
    assert steps(hook, 2) == []
    assert steps(hook, 1) == [
        'rank 0 on node0 is slow: the others wait for it 31% of the time. Before gradients are '
        'shared it takes 2.000 s of a step of 4.000 s, 1.000 s of them until it has its batch; '
        'the others take 0.750 s (means of 2 updates). Look at the disk, the load and the clock '
        'rates of its machine.']
    assert steps(hook, 2) == []
    # Neither the first update nor a validation counts.
    steps.clock.sleep(9)
    hook.after_val_epoch(steps.runner)
    assert steps(hook, 2) == []
    assert seen == [[1., 1., 4.]] * 3
    hook.after_train(steps.runner)
    assert not steps.model._forward_hooks and not steps.model._forward_pre_hooks


@pytest.mark.parametrize('max_share, count', [(.24, 1), (.25, 0)])
def test_what_is_slow_is_a_setting(steps, monkeypatch, max_share, count):
    monkeypatch.setattr(module, 'all_gather', lambda own: [
        torch.tensor([.5, .5, 4.]), own, torch.tensor([1., 0, 4.])])
    hook = SlowRankHook(interval=1, max_share=max_share)
    hook.before_train(steps.runner)
    hook.before_train_epoch(steps.runner)
    assert len(steps(hook, 2)) == count


def test_one_process_waits_for_nobody(steps, monkeypatch):
    monkeypatch.setattr(module, 'get_world_size', lambda: 1)
    hook = SlowRankHook(interval=1)
    hook.before_train(steps.runner)
    hook.before_train_epoch(steps.runner)
    assert steps(hook, 3) == []
    hook.after_train(steps.runner)
