"""Runs without an accelerator; on a machine with one, that nothing was changed."""
import os
from pathlib import Path

import pytest
import torch
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import Runner

import amd_mm.compat.fix_no_accelerator

ON_CPU = get_device() == 'cpu'

RUNNERS = '''
import amd_mm, torch
from mmengine.model import BaseModel
from mmengine.runner import Runner

class TinyModel(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
    def forward(self, inputs, mode):
        return dict(loss=self.layer(torch.stack(inputs)).square().mean())

for name, cfg in [('default', None), ('chosen', dict(model_wrapper_cfg=dict(
        type='MMDistributedDataParallel', broadcast_buffers=True)))]:
    runner = Runner(
        TinyModel(), 'work_dir', launcher='pytorch', cfg=cfg, experiment_name=name,
        train_dataloader=dict(batch_size=2, num_workers=0, dataset=[dict(inputs=torch.ones(2))] * 2,
                              sampler=dict(type='DefaultSampler', shuffle=True)),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(type='AmpOptimWrapper', optimizer=dict(type='SGD', lr=0.01)))
    before = runner.model.module.layer.weight.detach().clone()
    runner.train()
    assert not torch.equal(before, runner.model.module.layer.weight)
    print('RESULT', torch.distributed.get_backend(), type(runner.model).__name__,
          runner.model.device_ids, runner.model.broadcast_buffers,
          type(runner.optim_wrapper).__name__)
'''


@pytest.mark.slow
def test_runner_started_by_torchrun(tmp_path: Path, run_python,
                                    one_process: dict[str, str]) -> None:
    done = run_python(f'import os; os.chdir({str(tmp_path)!r})' + RUNNERS, **one_process)
    results = [line for line in done.stdout.splitlines() if line.startswith('RESULT')]
    backend, devices, wrapper = (
        ('gloo', 'None', 'OptimWrapper') if ON_CPU else ('nccl', '[0]', 'AmpOptimWrapper'))
    assert results == [
        f'RESULT {backend} MMDistributedDataParallel {devices} {broadcast} {wrapper}'
        for broadcast in (False, True)], done.stderr
    assert ('communicate by gloo instead of nccl' in done.stdout) == ON_CPU


def test_amp_falls_back_to_float32_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(amd_mm.compat.fix_no_accelerator, '_say', said.append)
    weight = torch.zeros(1, device=get_device(), requires_grad=True)
    wrapper = AmpOptimWrapper(loss_scale=1., dtype='bfloat16', accumulative_counts=3,
                              optimizer=torch.optim.SGD([weight], lr=0.))
    assert type(wrapper) is (OptimWrapper if ON_CPU else AmpOptimWrapper)
    assert wrapper._accumulative_counts == 3
    assert ['OptimWrapper (float32) is used instead' in line for line in said] == [True] * ON_CPU


def test_amp_fall_back_refuses_misspelt_arguments() -> None:
    weight = torch.zeros(1, device=get_device(), requires_grad=True)
    with pytest.raises(TypeError, match='los_scale'):
        AmpOptimWrapper(los_scale=1., optimizer=torch.optim.SGD([weight], lr=0.))


@pytest.mark.parametrize('device, needed', [('cpu', True), ('cuda', False), ('npu', False)])
def test_accelerators_are_left_alone(monkeypatch: pytest.MonkeyPatch, device: str,
                                     needed: bool) -> None:
    monkeypatch.setattr('mmengine.device.get_device', lambda: device)
    check = amd_mm.compat.fix_no_accelerator._no_accelerator
    assert check(os).needed == needed


def test_a_run_of_one_process_is_wrapped_in_nothing(tmp_path: Path) -> None:
    runner = Runner(torch.nn.Linear(1, 1), str(tmp_path), experiment_name='one_process')
    assert type(runner.model) is torch.nn.Linear
