"""Bytes that tensors hold while a model trains, on tensors with or without values."""
import operator
import weakref
from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from amd_mm.profiling.flops import imagined


class TensorMemory(TorchDispatchMode):
    """Follows the memory of every tensor that is made in its context, views counted once.

    What an operator uses inside of itself is not seen.

    Attributes:
        live: Bytes held now.
        peak: Most bytes held at a time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._followed: set[int] = set()

    def __torch_dispatch__(self, func: Callable, types: tuple, args: tuple = (),
                           kwargs: dict | None = None) -> object:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        # A view of a tensor from outside of the context makes no memory.
        given = {storage._cdata for storage in _storages((args, kwargs))}
        for storage in _storages(result):
            if storage._cdata not in given | self._followed:
                self._follow(storage)
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        address, size = storage._cdata, storage.nbytes()
        self._followed.add(address)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._release, address, size)

    def _release(self, address: int, size: int) -> None:
        self._followed.discard(address)
        self.live -= size


def _storages(values: object) -> list[torch.UntypedStorage]:
    return [value.untyped_storage() for value in tree_leaves(values)
            if isinstance(value, torch.Tensor)]


def module_bytes(module: nn.Module, trained: bool = False) -> int:
    """Bytes of parameters and buffers; of the parameters with gradients, if ``trained``."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(t.nbytes for t in tensors if t.requires_grad or not trained)


def step_memory(model: Any, input_size: tuple[int, ...],
                precision: torch.dtype = torch.float32, accumulating: bool = False,
                losses: Callable[[Any, Tensor], dict[str, Tensor]] | None = None) -> int:
    """Most bytes that activations and gradients hold at a time in a training step.

    Nothing is computed, see :func:`amd_mm.profiling.flops.imagined`; the operators are those that
    torch has for a CPU.

    Args:
        model: Recomputes where it says so.
        input_size: (B, C, (T,) H, W) of the batch, which counts too.
        precision: Autocast to it, unless it is float32.
        accumulating: Whether gradients of earlier batches are there already.
        losses: Of a model and inputs; None: ``model.loss``, as models for pre-training have it.
    """
    with imagined(model) as model, TensorMemory() as memory:
        inputs = torch.empty(input_size)
        for _ in range(2 if accumulating else 1):
            with torch.autocast('cpu', precision, enabled=precision != torch.float32):
                found = model.loss(inputs) if losses is None else losses(model, inputs)
                loss = reduce(operator.add, found.values())
            loss.backward()
    return memory.peak
