import pytest
from mmengine.config import Config

from amd_mm.engine import fit_to_machine


@pytest.fixture
def cfg(monkeypatch) -> Config:
    monkeypatch.setattr('os.sched_getaffinity', lambda pid: set(range(4)), raising=False)
    monkeypatch.setattr('torch.accelerator.is_available', lambda: False)
    for name in ('LOCAL_WORLD_SIZE', 'SLURM_NTASKS_PER_NODE', 'OMPI_COMM_WORLD_LOCAL_SIZE'):
        monkeypatch.delenv(name, raising=False)
    return Config(dict(
        train_dataloader=dict(num_workers=8, pin_memory=True),
        val_dataloader=dict(num_workers=3), test_dataloader=None))


def test_workers_are_as_many_as_cores_and_memory_is_pinned_for_an_accelerator(cfg, monkeypatch):
    assert fit_to_machine(cfg) == ['4 loading processes instead of 8 (cores)',
                                   'memory not pinned (no accelerator)']
    assert cfg.train_dataloader == dict(num_workers=4, pin_memory=False)
    assert cfg.val_dataloader == dict(num_workers=3)
    assert fit_to_machine(cfg) == []
    monkeypatch.setattr('torch.accelerator.is_available', lambda: True)
    cfg.train_dataloader.pin_memory = True
    assert fit_to_machine(cfg) == [] and cfg.train_dataloader.pin_memory


@pytest.mark.parametrize('variable, value, workers', [
    ('LOCAL_WORLD_SIZE', '2', 2), ('SLURM_NTASKS_PER_NODE', '4(x2)', 1),
    ('OMPI_COMM_WORLD_LOCAL_SIZE', '8', 1)])
def test_processes_of_a_machine_share_its_cores(cfg, monkeypatch, variable, value, workers):
    monkeypatch.setenv(variable, value)
    fit_to_machine(cfg)
    assert cfg.train_dataloader.num_workers == workers
    assert cfg.val_dataloader.num_workers == min(3, workers)


def test_what_the_command_line_asks_for_stays(cfg):
    asked = {'train_dataloader.num_workers': 8, 'train_dataloader.pin_memory': True}
    assert fit_to_machine(cfg, asked) == []
    assert cfg.train_dataloader == dict(num_workers=8, pin_memory=True)
