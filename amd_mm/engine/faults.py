"""What a step of training saw when its numbers went wrong: kept, looked into, written, replayed."""
from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.hooks import RemovableHandle

# Of a file's content; a change of it needs another number.
_FORMAT = 1
# Modules of the hosts whose classes hold annotations. A file may name those that derive from
# MMEngine's BaseDataElement, and nothing else beside tensors, containers and numbers.
_STRUCTURES = ('mmengine.', 'mmpretrain.', 'mmaction.', 'mmdet.', 'mmseg.')
_SHOWN_SAMPLES = 5


@dataclass
class KeptBatch:
    """A batch as the data preprocessor got it, and what the step drew from.

    Attributes:
        data: What the dataloader gave; None if it was dropped to save memory.
        generators: States of the random generators, see :func:`generator_states`.
        autocast: Precision of the forward pass by torch's name (``'bfloat16'``); None without.
        losses: What the model made of it, by name, ``loss`` being their sum; tensors of no
            dimension on the device.
    """
    data: Any
    generators: dict[str, Any]
    autocast: str | None
    losses: dict[str, Tensor] = field(default_factory=dict)


class StepRecorder:
    """Keeps the batches of the present update and the losses that a model makes of them.

    It reads nothing from the device. Batches are kept as they are, in the memory that the
    dataloader took; annotations are copied, since preprocessors write into them.

    Args:
        model: One of MMEngine's kind, without a wrapper.
        max_kept: Batches of an update to keep, the last ones, at least 1.
    """

    def __init__(self, model: Any, max_kept: int) -> None:
        self.batches: list[KeptBatch] = []
        self._max_kept = max_kept
        self._listens = True
        self._handles: list[RemovableHandle] = [
            model.data_preprocessor.register_forward_pre_hook(self._keep, with_kwargs=True),
            model.register_forward_hook(self._note, with_kwargs=True)]

    def clear(self) -> None:
        """Forget the update."""
        self.batches = []

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep nothing for a while: a second pass is no part of the update."""
        self._listens = False
        try:
            yield
        finally:
            self._listens = True

    def remove(self) -> None:
        """Leave the model as it was."""
        for handle in self._handles:
            handle.remove()

    def loss(self) -> Tensor | None:
        """The mean loss of the batches; None before there is one."""
        losses = [batch.losses['loss'].double() for batch in self.batches if batch.losses]
        return torch.stack(losses).mean() if losses else None

    def _keep(self, preprocessor: nn.Module, args: tuple, kwargs: dict) -> None:
        # Validation does not train, and what counts operations does not compute gradients.
        training = kwargs.get('training', args[1] if len(args) > 1 else False)
        if not training or not self._listens or not torch.is_grad_enabled():
            return
        device = _device_of(preprocessor)
        autocast = (str(torch.get_autocast_dtype(device.type)).removeprefix('torch.')
                    if torch.is_autocast_enabled(device.type) else None)
        data = args[0] if args else kwargs['data']
        self.batches.append(KeptBatch(_own(data), generator_states(device), autocast))
        for batch in self.batches[:-self._max_kept]:
            batch.data = None

    def _note(self, model: Any, args: tuple, kwargs: dict, output: Any) -> None:
        if kwargs.get('mode') == 'loss' and self.batches and not self.batches[-1].losses:
            with torch.autocast(_device_of(model).type, enabled=False):
                total, logged = model.parse_losses(output)
            self.batches[-1].losses = {
                name: value.detach() for name, value in {**logged, 'loss': total}.items()
                if 'loss' in name}


def _own(data: Any) -> Any:
    """A batch with annotations of its own, and the data loader's tensors."""
    if isinstance(data, BaseDataElement):
        return data.clone()
    if isinstance(data, dict):
        return {name: _own(value) for name, value in data.items()}
    if type(data) in (list, tuple):
        return type(data)(map(_own, data))
    return data


def _device_of(module: nn.Module) -> torch.device:
    # A preprocessor has no parameters, but a property of this name.
    weight = next(module.parameters(), None)
    return torch.device(getattr(module, 'device', 'cpu')) if weight is None else weight.device


def generator_states(device: torch.device) -> dict[str, Any]:
    """States of ``random``, ``numpy.random`` and torch, in plain containers."""
    name, keys, *rest = np.random.get_state(legacy=True)
    numpy_state = (name, torch.from_numpy(np.asarray(keys, np.int64)), *rest)
    states: dict[str, Any] = dict(
        python=random.getstate(), numpy=numpy_state, cpu=torch.get_rng_state())
    if device.type == 'cuda':
        states['cuda'] = torch.cuda.get_rng_state(device)
    return states


@contextmanager
def _drawing_from(states: dict[str, Any], device: torch.device) -> Iterator[None]:
    """Random generators in a kept state, for a while."""
    before = generator_states(device)
    _set_generators(states, device)
    try:
        yield
    finally:
        _set_generators(before, device)


def _set_generators(states: dict[str, Any], device: torch.device) -> None:
    version, numbers, gauss = states['python']
    random.setstate((version, tuple(numbers), gauss))
    name, keys, *rest = states['numpy']
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states['cpu'])
    if device.type == 'cuda' and 'cuda' in states:
        torch.cuda.set_rng_state(states['cuda'], device)


@dataclass
class Replay:
    """What a second pass over a batch gives.

    Attributes:
        losses: By name, as in training.
        finding: Where numbers first are not finite, in words; empty if all are.
        largest: Where the largest number of the forward pass is, in words.
    """
    losses: dict[str, float]
    finding: str
    largest: str


def replay(model: Any, batch: KeptBatch) -> Replay:
    """Go through a batch again, forwards and backwards, and look at every module.

    The model and the random generators are afterwards what they were; gradients are dropped.

    Args:
        model: In the state of the step, without a wrapper.
        batch: That was kept.
    """
    device = _device_of(model)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.zero_grad()
    data = _own(batch.data)
    dtype = None if batch.autocast is None else getattr(torch, batch.autocast)
    with ExitStack() as stack:
        stack.enter_context(_drawing_from(batch.generators, device))
        watch = stack.enter_context(_Watch(model, _names(data)))
        # Hooks that came after a compilation would not be called.
        stack.enter_context(torch.compiler.set_stance('force_eager'))
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            output = model._run_forward(model.data_preprocessor(data, True), mode='loss')
        total, logged = model.parse_losses(output)
        if not watch.finding and not torch.isfinite(total):
            watch.finding = f'the losses of {type(model).__name__} itself'
        total.backward()
        finding = watch.finding or watch.backward_finding()
    model.zero_grad()
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])
    values = {name: value.item() for name, value in {**logged, 'loss': total}.items()
              if 'loss' in name}
    return Replay(values, finding, watch.largest())


def sample_names(data: Any) -> list[str]:
    """What the samples of a batch are called: their files, or else their keys."""
    return _names(data)


def _names(data: Any) -> list[str]:
    samples = data.get('data_samples') if isinstance(data, dict) else None
    return [str(next((sample.get(name) for name in ('sample_path', 'img_path', 'sample_key')
                      if sample.get(name) is not None), f'sample {place}'))
            for place, sample in enumerate(samples or ())]


class _Watch:
    """Looks at what goes into and comes out of every module of a model, and at gradients.

    A context, in which hooks are on the model.

    Attributes:
        finding: The first module whose output is not finite, in words; empty if there is none.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        self.finding = ''
        self._model = model
        self._names = names
        self._largest: tuple[float, str] = (-1., '')
        # Modules by the order in which a bad gradient reaches them on the way back.
        self._bad_inputs: dict[str, str] = {}
        self._bad_outputs: dict[str, str] = {}
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> _Watch:
        modules = dict(self._model.named_modules())
        # Frozen teachers stand outside of the module tree.
        for lesson in getattr(self._model, 'lessons', ()):
            for name, module in lesson.teacher.named_modules():
                modules[f'teacher {lesson.name}.{name}'] = module
        self._handles = [module.register_forward_hook(partial(self._look, name), with_kwargs=True)
                         for name, module in modules.items() if module is not self._model]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def largest(self) -> str:
        """Where the largest number is."""
        return self._largest[1]

    def backward_finding(self) -> str:
        """The module that makes a gradient infinite, in words; empty if all are finite."""
        for name, words in self._bad_inputs.items():
            if name not in self._bad_outputs:
                return f'the gradient of {words}'
        bad = [name for name, weight in self._model.named_parameters()
               if weight.grad is not None and not _is_finite(weight.grad)]
        if self._bad_outputs:
            return ('the gradient of what comes between the losses and the output of '
                    f'{next(iter(self._bad_outputs.values()))}')
        return f'the gradient of the weight {bad[0]}' if bad else ''

    def _look(self, name: str, module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        inputs, outputs = _floats((args, kwargs)), _floats(output)
        words = partial(self._words, name, module, _range(inputs))
        for tensor in outputs:
            peak = tensor.detach().abs().max().item() if tensor.numel() else 0.
            if peak > self._largest[0]:
                self._largest = peak, f'{peak:.6g}, in the output of {words(tensor, _at_peak)}'
        bad = next((tensor for tensor in outputs if not _is_finite(tensor)), None)
        if bad is not None and not self.finding:
            spoilt = [weight for weight, value in module.named_parameters(recurse=False)
                      if not _is_finite(value)]
            self.finding = words(bad, _bad_rows) + (
                f'; NaN or infinity in its own {" and ".join(spoilt)}' if spoilt else '')
        for tensors, found in ((inputs, self._bad_inputs), (outputs, self._bad_outputs)):
            for tensor in tensors:
                if tensor.requires_grad:
                    tensor.register_hook(partial(self._look_back, name, words, found))

    @staticmethod
    def _look_back(name: str, words: Callable, found: dict[str, str], gradient: Tensor) -> None:
        if name not in found and not _is_finite(gradient):
            found[name] = words(gradient, _bad_rows)

    def _words(self, name: str, module: nn.Module, span: str, tensor: Tensor,
               rows_of: Callable[[Tensor], Tensor]) -> str:
        return f'{name} ({type(module).__name__}){self._samples(tensor, rows_of)}, {span}'

    def _samples(self, tensor: Tensor, rows_of: Callable[[Tensor], Tensor]) -> str:
        """Whose rows they are, where the first axis counts samples, or their views."""
        count = len(self._names)
        if not count or tensor.ndim < 2 or not len(tensor) or len(tensor) % count:
            return ''
        rows = rows_of(tensor.detach().flatten(1)).tolist()
        numbers = sorted({row * count // len(tensor) for row in rows})
        if len(numbers) == count > 1:
            return ' for every sample'
        shown = ', '.join(f'{number} ({self._names[number]})'
                          for number in numbers[:_SHOWN_SAMPLES])
        rest = len(numbers) - _SHOWN_SAMPLES
        return f' for sample {shown}{f" and {rest} more" if rest > 0 else ""}'


def _bad_rows(rows: Tensor) -> Tensor:
    return (~rows.isfinite()).any(dim=1).nonzero().flatten()


def _at_peak(rows: Tensor) -> Tensor:
    return rows.abs().amax(dim=1).argmax()[None]


def _floats(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values)
            if isinstance(value, Tensor) and value.is_floating_point()]


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.detach()).all())


def _range(tensors: Sequence[Tensor]) -> str:
    """The finite numbers of some tensors, from the lowest to the highest."""
    finite = [tensor.detach()[tensor.detach().isfinite()] for tensor in tensors]
    finite = [tensor for tensor in finite if tensor.numel()]
    if not finite:
        return 'whose input holds no finite number' if tensors else 'which takes no numbers'
    low = min(tensor.min().item() for tensor in finite)
    high = max(tensor.max().item() for tensor in finite)
    return f'whose input is in [{low:.6g}, {high:.6g}]'


def write_fault(path: Path, config: str, model: nn.Module, batches: Sequence[KeptBatch],
                **facts: Any) -> None:
    """Write what :func:`read_fault` reads: all that a replay needs.

    Args:
        path: Of the file; its folder is made.
        config: Text of the run's config.
        model: In the state of the step, without a wrapper.
        batches: Of the update; those that were dropped are left out.
        facts: What else there is to know (iteration, process, reason, finding), in plain values.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [dict(data=batch.data, generators=batch.generators, autocast=batch.autocast,
                 losses={name: float(value) for name, value in batch.losses.items()},
                 samples=_names(batch.data))
            for batch in batches if batch.data is not None]
    state = tree_map(lambda value: value.cpu() if isinstance(value, Tensor) else value,
                     dict(model.state_dict()))
    torch.save(dict(format=_FORMAT, config=config, state_dict=state, batches=kept, **facts), path)


def read_fault(path: str | Path, trust: bool = False) -> dict[str, Any]:
    """Read a file of :func:`write_fault`; its ``batches`` are :class:`KeptBatch` objects.

    Args:
        path: Of the file.
        trust: Whether it may run code: annotations of some hosts hold numpy arrays and masks.

    Raises:
        ValueError: If it is no such file, or holds more than tensors and annotations.
    """
    try:
        with torch.serialization.safe_globals([] if trust else _structures_in(path)):
            content = torch.load(path, map_location='cpu', weights_only=not trust)
    except FileNotFoundError:
        raise
    except Exception as error:
        reason = str(error).partition('\n')[0]
        raise ValueError(
            f'{path}: must be a file that a run wrote to its faults folder, with tensors and '
            f'annotations alone, but cannot be read so ({reason:.200}); if you trust whoever '
            'made it, add --trust, which lets it run code') from error
    if not isinstance(content, dict) or content.get('format') != _FORMAT:
        raise ValueError(f'{path}: must be a file that a run wrote to its faults folder (format '
                         f'{_FORMAT}), but is another one; give WORK_DIR/faults/NAME.pth')
    content['batches'] = [
        KeptBatch(kept['data'], kept['generators'], kept['autocast'],
                  {name: torch.tensor(value, dtype=torch.float64)
                   for name, value in kept['losses'].items()})
        for kept in content['batches']]
    return content


def _structures_in(path: str | Path) -> list[Any]:
    """The classes of annotations that a file names, all of them of the hosts."""
    found = []
    for name in torch.serialization.get_unsafe_globals_in_checkpoint(path):
        module, _, kind = name.rpartition('.')
        if module.startswith(_STRUCTURES):
            structure = getattr(import_module(module), kind, None)
            if isinstance(structure, type) and issubclass(structure, BaseDataElement):
                found.append(structure)
    return found
