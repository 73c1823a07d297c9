"""Floating-point operations: of a model's training step, and a second of a machine.

A multiplication and an addition are two operations. Counted are the matrix products of the
mathematics (linear layers, convolutions, attention), as usual for the utilisation of a model:
what a kernel or a checkpoint computes a second time is not.
"""
import copy
import operator
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from amd_mm.keys import seeded
from amd_mm.profiling.parts import Parts

aten = torch.ops.aten
# Larger products are not faster on any accelerator known to us.
LARGEST_PRODUCT = 8192


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int],
               *args: object, **kwargs: object) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(grad_out: Sequence[int], query: Sequence[int], key: Sequence[int],
                        value: Sequence[int], *args: object, **kwargs: object) -> int:
    """Gradients of both products; torch's own count adds the logits computed again."""
    return 2 * sdpa_flop_count(query, key, value)


# torch (2.13) counts no attention on a CPU, and on a GPU what its kernels compute again.
ATTENTION = {
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    aten._scaled_dot_product_flash_attention_backward: _attention_backward,
    aten._scaled_dot_product_efficient_attention_backward: _attention_backward,
    aten._scaled_dot_product_cudnn_attention_backward: _attention_backward,
}


@contextmanager
def imagined(model: nn.Module) -> Iterator[nn.Module]:
    """A copy of a model in whose context torch computes shapes only, at no cost.

    Nothing of the model, of the random generators or of what is compiled changes; tensors made
    in the context have no values. A frozen teacher is the model's own.
    """
    # A mode for the copy alone cannot be the one that is active.
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    with seeded(0), torch.compiler.set_stance('force_eager'):
        with FakeCopyMode(fake):
            model = copy.deepcopy(model)
        for module in model.modules():
            # A compiled method, put in the place of the class's own, is bound to the original.
            for name in [n for n, v in vars(module).items()
                         if callable(v) and callable(getattr(type(module), n, None))]:
                del vars(module)[name]
        with fake:
            yield model


def count_flops(model: nn.Module,
                losses: Callable[[nn.Module], dict[str, Tensor]]) -> dict[str, int]:
    """Floating-point operations of a forward and a backward pass, by part.

    Args:
        model: On any device, compiled or not, recomputing or not.
        losses: Gives the losses of a batch, called once with a copy of the model, see
            :func:`imagined`.

    Returns:
        ``mask``, ``teacher``, ``student``, ``generator`` (projections included) and
        ``decoder``, where the model has them; ``losses``, the rest of the forward pass, and
        ``backward``.
    """
    with imagined(model) as model:
        for module in model.modules():
            if getattr(module, 'with_cp', False):
                setattr(module, 'with_cp', False)  # noqa: B010 (torch types say Tensor)
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        with torch.enable_grad(), FlopCounterMode(
                display=False, custom_mapping=ATTENTION) as counter:
            parts = Parts(counter.get_total_flops)
            with parts.watching(model):
                loss = reduce(operator.add, parts.forward(lambda: losses(model)).values())
            with parts.part('backward'):
                # Not backward(): weights outside of the copy would get gradients.
                torch.autograd.grad(loss, weights, allow_unused=True)
    return {name: int(flops) for name, flops in parts.totals.items()}


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type != 'cpu':
        torch.get_device_module(device).synchronize(device)


def matrix_rate(device: torch.device, dtype: torch.dtype, seconds: float = .3) -> float:
    """Floating-point operations a second of a large dense matrix product, measured.

    With this process's threads and settings (TF32). The random generators stay as they are.

    Args:
        device: Where.
        dtype: A floating-point type.
        seconds: About how long to measure.
    """
    def product_seconds(count: int) -> float:
        synchronise(device)
        start = time.perf_counter()
        for _ in range(count):
            a @ b
        synchronise(device)
        return (time.perf_counter() - start) / count

    generator = torch.Generator(device).manual_seed(0)
    size = 256
    while True:
        a, b = (torch.randn(size, size, generator=generator, device=device).to(dtype)
                for _ in range(2))
        product_seconds(1)  # the first one finds its kernel
        once = product_seconds(1)
        if size == LARGEST_PRODUCT or 5 * once > seconds / 4:
            break
        size *= 2
    count = max(1, round(seconds / 5 / once))
    return 2 * size**3 / statistics.median(product_seconds(count) for _ in range(5))
