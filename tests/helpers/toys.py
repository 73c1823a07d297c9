"""A model and a data set that take no time, for tests of how runs behave."""
import fcntl
import json
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from mmengine.structures import BaseDataElement
from torch import nn
from torch.utils.data import Dataset

WIDTH = 6


@DATASETS.register_module()
class ToyData(Dataset):
    """``size`` vectors; each that is loaded leaves a line with its index in ``loaded``."""

    metainfo = dict(classes=('toy',))

    def __init__(self, size: int, loaded: str) -> None:
        self.size = size
        self.loaded = Path(loaded)

    def __len__(self) -> int:
        return self.size

    def get_data_info(self, index: int) -> dict:
        return dict(filename=f'{index}.toy')

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=self.prepare_data(index)['vector'],
                    data_samples=BaseDataElement(metainfo=dict(sample_key=index)))

    def prepare_data(self, index: int) -> dict:
        with self.loaded.open('a') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(f'{index}\n')
        generator = torch.Generator().manual_seed(index)
        return dict(vector=torch.randn(WIDTH, generator=generator, dtype=torch.float64))


@DATASETS.register_module()
class SpoiltData(ToyData):
    """Toy data of which some samples are multiplied by ``factor``, a number as a text."""

    def __init__(self, spoilt: list, factor: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.spoilt = spoilt
        self.factor = float(factor)

    def prepare_data(self, index: int) -> dict:
        results = super().prepare_data(index)
        if index in self.spoilt:
            results['vector'] = results['vector'] * self.factor
        return results


@DATASETS.register_module()
class CrashingData(ToyData):
    """Sample 3 ends its process by a signal; or raises an exception, where there is none."""

    def __init__(self, number: int | None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.number = number

    def prepare_data(self, index: int) -> dict:
        if index == 3 and self.number is None:
            raise OSError('bad')
        if index == 3:
            if self.number != signal.SIGKILL:
                signal.signal(self.number, signal.SIG_DFL)
            os.kill(os.getpid(), self.number)
        return super().prepare_data(index)


@DATASETS.register_module()
class TellingData(ToyData):
    """Its worker, and the process that waits for it, are told to stop while sample 3 is read.

    The worker's number is left in the file ``told``.
    """

    def prepare_data(self, index: int) -> dict:
        if index == 3:
            self.loaded.with_name('told').write_text(str(os.getpid()))
            for pid in (os.getppid(), os.getpid()):
                os.kill(pid, signal.SIGTERM)
            time.sleep(.5)
        return super().prepare_data(index)


@TRANSFORMS.register_module()
class PackToy:
    """Adds noise from torch's generator, as a random crop would, and packs."""

    def __call__(self, results: dict) -> dict:
        noisy = results['vector'] + 0.1 * torch.randn(WIDTH, dtype=torch.float64)
        return dict(inputs=noisy, data_samples=BaseDataElement())


@MODELS.register_module()
class ToyModel(BaseModel):
    """Reconstructs its input from a part that the sample key chooses; two losses.

    What torch, numpy and Python draw in each call is written to the file ``draws``.
    """

    def __init__(self, dtype: str = 'float64', bad_at: int = -1, bad_value: str = 'nan',
                 bad_rank: int = 0, draws: str | None = None) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(WIDTH, 8), nn.Tanh(), nn.Linear(8, WIDTH))
        self.to(getattr(torch, dtype))
        self.bad_at = bad_at
        self.bad_value = bad_value
        self.bad_rank = bad_rank
        self.calls = 0
        self.draws = draws

    def init_weights(self) -> None:
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))

    def forward(self, inputs: list | torch.Tensor, data_samples: list, mode: str):
        x = torch.stack(list(inputs)).to(self.net[0].weight)  # a list, or stacked
        keys = torch.tensor([sample.sample_key for sample in data_samples])
        visible = (keys[:, None] >> torch.arange(WIDTH)) % 2
        output = self.net(x * visible)
        if mode == 'predict':
            return [dict(error=error) for error in (output - x).square().mean(dim=1)]
        if self.draws is not None:
            with Path(self.draws).open('a') as file:
                file.write(f'{torch.rand(()).item()} {np.random.rand()} {random.random()}\n')
        losses = dict(loss_rec=(output - x).square().mean(), loss_dir=output.abs().mean())
        self.calls += 1
        if self.calls == self.bad_at and get_rank() == self.bad_rank:
            losses['loss_dir'] = _bad(self.bad_value, losses['loss_dir'])
        return losses


class Cliff(nn.Module):
    """What it is given, but for rows with a number above 50.

    Of these it makes infinity (``'forward'``), or gives them an infinite gradient (``'backward'``).
    """

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        large = x.detach().abs().amax(dim=1) > 50
        out = x.clone()
        out[large] = x[large] / 0 if self.way == 'forward' else _bad(
            'infinite gradient', x[large])
        return out


@MODELS.register_module()
class CliffModel(ToyModel):
    """The toy model with a cliff in it, which draws in every step."""

    def __init__(self, way: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.net.insert(1, Cliff(way))
        self.net.insert(3, nn.Dropout(.1))


def _bad(value: str, loss: torch.Tensor) -> torch.Tensor:
    if value == 'infinite gradient':
        # The root of zero: zero itself, with an infinite slope.
        return loss + (loss - loss.detach()).abs().sqrt()
    return loss * float(value)


@METRICS.register_module()
class ToyError(BaseMetric):
    """Mean squared error of the toy model."""

    def process(self, data_batch: dict, data_samples: list[dict]) -> None:
        self.results.extend(sample['error'] for sample in data_samples)

    def compute_metrics(self, results: list) -> dict:
        return dict(error=float(sum(results) / len(results)))


@HOOKS.register_module()
class RecordHook(Hook):
    """Writes a line an iteration: iteration, losses, sample keys, and how the log counts it."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        line = dict(
            iteration=runner.iter, epoch=runner.epoch, batch_idx=batch_idx,
            keys=[sample.sample_key for sample in data_batch['data_samples']],
            lr=runner.optim_wrapper.get_lr()['lr'][0],
            losses={name: float(value) for name, value in outputs.items()})
        with Path(runner.work_dir, f'record_{get_rank()}.jsonl').open('a') as file:
            file.write(json.dumps(line) + '\n')


@HOOKS.register_module()
class KeepHook(Hook):
    """Keeps the weights of every process, after every iteration."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        model = getattr(runner.model, 'module', runner.model)
        torch.save(dict(model.state_dict()),
                   Path(runner.work_dir, f'kept_{get_rank()}_{runner.iter + 1}.pth'))


@HOOKS.register_module()
class DriftHook(Hook):
    """Changes the last weight of one process a little, before an iteration (counted from 0)."""

    def __init__(self, rank: int, iteration: int) -> None:
        self.rank = rank
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if get_rank() == self.rank and runner.iter == self.iteration:
            with torch.no_grad():
                runner.model.module.net[-1].bias[0] += 1e-9


@HOOKS.register_module()
class RaiseHook(Hook):
    """Ends one process by an error, before an iteration (counted from 0)."""

    def __init__(self, rank: int, iteration: int) -> None:
        self.rank = rank
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if get_rank() == self.rank and runner.iter == self.iteration:
            raise ValueError(f'the data of rank {self.rank} are gone')


@HOOKS.register_module()
class SignalHook(Hook):
    """Sends one process SIGTERM, before an iteration (counted from 0)."""

    def __init__(self, rank: int, iteration: int) -> None:
        self.rank = rank
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if get_rank() == self.rank and runner.iter == self.iteration:
            os.kill(os.getpid(), signal.SIGTERM)


@HOOKS.register_module()
class BlockHook(Hook):
    """Makes a folder where a run is about to write a file, when its first epoch is over."""

    def __init__(self, name: str) -> None:
        self.name = name

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if runner.epoch == 1:
            Path(runner.work_dir, self.name).mkdir(exist_ok=True)


@HOOKS.register_module()
class SlowHook(Hook):
    """Takes its time in every iteration, and says which process it is."""

    def before_train(self, runner) -> None:
        Path(runner.work_dir, f'pid_{get_rank()}').write_text(str(os.getpid()))

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        time.sleep(.2)

    def before_val_iter(self, runner, batch_idx, data_batch=None) -> None:
        time.sleep(.2)


@METRICS.register_module()
class ToyErrors(ToyError):
    """Also writes each error into a file, a line each."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = Path(file)

    def compute_metrics(self, results: list) -> dict:
        self.file.write_text('\n'.join(map(repr, map(float, results))))
        return super().compute_metrics(results)
