"""What a run is, in numbers."""
from types import SimpleNamespace

import pytest
from golden import amd_video
from torch import nn

from amd_mm.engine import BadSampleHook, ThroughputHook, run_facts
from amd_mm.engine.run_facts import bad_samples
from amd_mm.engine.run_facts import run_facts as facts_of


@pytest.fixture
def runner(monkeypatch):
    throughput = ThroughputHook()
    throughput.flops_by_part = dict(student=2.5)
    monkeypatch.setattr(run_facts, 'training_header', lambda runner, changes: dict(method='it'))
    return SimpleNamespace(
        hooks=[throughput, BadSampleHook()], world_size=2, max_iters=30, optim_wrapper={},
        train_dataloader=SimpleNamespace(
            batch_sampler=SimpleNamespace(batch_size=4),
            dataset=SimpleNamespace(num_repeats=3)))


class Loader(SimpleNamespace):
    def __len__(self) -> int:
        return 10


def test_of_a_distillation(runner):
    runner.model = model = amd_video()
    runner.train_dataloader = Loader(**vars(runner.train_dataloader))
    found = facts_of(runner)
    count = sum(weight.numel() for weight in model.teacher.parameters())
    assert found['parameters']['teacher'] == (count, 0)
    assert found['parameters'].keys() == {'student', 'generator', 'decoder', 'teacher'}
    assert found['tokens'] == {'in all': 64, 'seen by the student': 8, 'seen by the teacher': 16,
                               'predicted (pixels)': 56}
    assert found['inputs'] == 4 * 2 * 3 and found['flops'] == dict(student=2.5)
    assert (found['max_updates'], found['updates_an_epoch'], found['processes']) == (30, 10, 2)


def test_parts_of_another_model_have_their_own_names(runner):
    runner.model = nn.ModuleDict(dict(backbone=nn.Linear(2, 3), nothing=nn.ReLU()))
    runner.model['backbone'].bias.requires_grad_(False)
    runner.train_dataloader = Loader(**vars(runner.train_dataloader))
    found = facts_of(runner)
    assert found['parameters'] == dict(backbone=(9, 6)) and found['tokens'] == {}


def test_bad_samples_are_counted(runner):
    runner.hooks[1].seen, runner.hooks[1].replaced = 10, 2
    runner.hooks[1].kinds.update(['is empty', 'is empty'])
    assert bad_samples(runner) == dict(seen=10, replaced=2, kinds={'is empty': 2})
    runner.hooks = []
    assert bad_samples(runner) == {}
