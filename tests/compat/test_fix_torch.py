import importlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_checkpoint
from torch import Tensor, nn

from amd_mm.compat import fix_torch
from amd_mm.compat.fix_torch import checkpoint_classes, statistic_of


class TinyModel(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, inputs: list[Tensor], mode: str) -> dict[str, Tensor]:
        return dict(loss=self.layer(torch.stack(inputs)).square().mean())


def make_runner(work_dir: Path, max_epochs: int, resume: bool = False) -> Runner:
    return Runner(
        TinyModel(), str(work_dir), resume=resume, experiment_name=f'to_{max_epochs}',
        train_dataloader=dict(
            batch_size=2, num_workers=0, dataset=[dict(inputs=torch.ones(2))] * 4,
            sampler=dict(type='DefaultSampler', shuffle=True)),
        train_cfg=dict(by_epoch=True, max_epochs=max_epochs),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.01)),
        param_scheduler=dict(type='CosineAnnealingLR', T_max=3), randomness=dict(seed=0))


def test_runner_resumes_what_it_saved(tmp_path: Path) -> None:
    make_runner(tmp_path, max_epochs=1).train()
    runner = make_runner(tmp_path, max_epochs=2, resume=True)
    runner.train()
    losses = runner.message_hub.get_scalar('train/loss')
    assert type(losses) is HistoryBuffer and runner.epoch == 2
    assert len(losses.data[0]) == 4  # two iterations of before, two of now
    assert losses.mean() == pytest.approx(losses.data[0].mean())


class Evil:
    def __init__(self, function: Callable, *args: object) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> tuple[Callable, tuple]:
        return self.function, self.args


def test_checkpoint_that_wants_other_classes_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / 'victim'
    torch.save(dict(state_dict={}, meta=Evil(os.mkdir, str(victim))), tmp_path / 'evil.pth')
    with pytest.raises(pickle.UnpicklingError, match='must hold weights only'):
        load_checkpoint(nn.Linear(1, 1), str(tmp_path / 'evil.pth'))
    assert not victim.exists()


@pytest.mark.parametrize('target', [
    (HistoryBuffer, '__init__'), (HistoryBuffer, '_set_default_statistics'), (np.ndarray, 'min'),
    (torch._utils._rebuild_tensor_v2, '__globals__')], ids=str)
def test_getattr_leads_nowhere_else(tmp_path: Path, target: tuple[object, str]) -> None:
    torch.save(Evil(getattr, *target), tmp_path / 'evil.pth')
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'evil.pth')


def test_statistic_of_is_getattr_for_the_four_statistics() -> None:
    for name in HistoryBuffer([], [])._statistics_methods:
        assert statistic_of(HistoryBuffer, name) is getattr(HistoryBuffer, name)
    with pytest.raises(pickle.UnpicklingError, match='refused'):
        statistic_of(HistoryBuffer, '__init__')


def test_allow_list_is_the_handful_of_a_checkpoint() -> None:
    """Read this list again, as an attacker, whenever it changes."""
    names = {entry[1] if isinstance(entry, tuple) else f'{entry.__module__}.{entry.__qualname__}'
             for entry in checkpoint_classes()}
    assert names == {
        'mmengine.logging.history_buffer.HistoryBuffer', 'numpy.ndarray', 'numpy.dtype',
        'builtins.getattr', *(f'{core}.multiarray.{name}' for core in ('numpy.core', 'numpy._core')
                              for name in ('_reconstruct', 'scalar'))}
    assert set(checkpoint_classes()) <= set(torch.serialization.get_safe_globals())
    assert getattr not in torch.serialization.get_safe_globals()
    # numpy's own read and write where a forged state says
    for own in (np.ndarray, np.dtype, np.empty(0).__reduce__()[0], np.float64(0).__reduce__()[0]):
        assert own not in [entry[0] if isinstance(entry, tuple) else entry
                           for entry in checkpoint_classes()]


@pytest.mark.parametrize('dtype', [np.dtype('O'), np.dtype([('a', 'f4')])], ids=str)
def test_arrays_of_objects_and_records_are_refused(tmp_path: Path, dtype: np.dtype) -> None:
    torch.save(HistoryBuffer(np.zeros(2, dtype), [1, 1]), tmp_path / 'a.pth')
    with pytest.raises((ValueError, pickle.UnpicklingError), match='wants an array'):
        torch.load(tmp_path / 'a.pth')


def test_numbers_are_saved_again_as_numpys_own(tmp_path: Path) -> None:
    torch.save(HistoryBuffer([1., 2.], [1, 1]), tmp_path / 'a.pth')
    torch.save(torch.load(tmp_path / 'a.pth'), tmp_path / 'b.pth')
    again = torch.load(tmp_path / 'b.pth', weights_only=False)
    assert type(again.data[0]) is np.ndarray and again.mean() == 1.5


def test_numbers_pickled_under_numpy_1_load(tmp_path: Path) -> None:
    class OldName:
        """Pickles an array as numpy 1 does, by the old name of its module."""

        def __reduce__(self) -> tuple:
            _, args, state = np.arange(3.).__reduce__()
            return old_reconstruct, args, state

    def old_reconstruct() -> None:
        """Only its name is pickled."""

    old_reconstruct.__module__ = 'numpy.core.multiarray'
    old_reconstruct.__qualname__ = old_reconstruct.__name__ = '_reconstruct'
    multiarray = importlib.import_module('numpy.core.multiarray')
    multiarray._reconstruct, original = old_reconstruct, multiarray._reconstruct
    try:
        torch.save(OldName(), tmp_path / 'old.pth')
    finally:
        multiarray._reconstruct = original
    assert torch.load(tmp_path / 'old.pth').tolist() == [0., 1., 2.]


def test_fallback_to_unsafe_loading_is_switched_off(tmp_path: Path) -> None:
    def load_anything(file: object) -> object:
        return torch.load(file, weights_only=False)

    victim = tmp_path / 'victim'
    torch.save(Evil(os.mkdir, str(victim)), tmp_path / 'evil.pth')
    torch.save(HistoryBuffer([2.], [1]), tmp_path / 'good.pth')
    checkpoint = SimpleNamespace(torch=torch, _safe_torch_load=load_anything)
    assert fix_torch._loads_everything_on_failure(checkpoint).needed
    fix_torch._load_weights_only(checkpoint)
    with pytest.raises(pickle.UnpicklingError):
        checkpoint._safe_torch_load(tmp_path / 'evil.pth')
    assert not victim.exists()
    assert checkpoint._safe_torch_load(tmp_path / 'good.pth').mean() == 2
    assert not fix_torch._loads_everything_on_failure(SimpleNamespace(torch=torch)).needed
