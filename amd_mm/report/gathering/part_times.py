"""Seconds of the parts of an update, in a few of them."""
import time
from contextlib import ExitStack
from typing import Any

from torch import nn

from amd_mm.profiling import Parts, synchronise


class PartTimes:
    """Measures updates of a training that goes on; results are the same with and without.

    The device is waited for after each part, in the measured updates alone.

    Attributes:
        updates: How many were measured.
        seconds: What they took, waiting for data included.
        parts: Seconds of these by part.
    """

    def __init__(self) -> None:
        self.updates = 0
        self.seconds = 0.
        self.parts: dict[str, float] = {}
        self._stack: ExitStack | None = None

    def begin(self, model: nn.Module, optim_wrapper: Any) -> None:
        """Watch the next update; its data is there.

        Args:
            model: Not inside a distributed wrapper.
            optim_wrapper: MMEngine's.
        """
        device = next(model.parameters()).device

        def now() -> float:
            synchronise(device)
            return time.perf_counter()

        self._stack = ExitStack()
        self._found = Parts(now)
        self._stack.enter_context(self._found.watching(model))
        for method, part in (('backward', 'backward'), ('update_params', 'optimizer')):
            self._watch(optim_wrapper, method, part)
        self._start = self._end = now()

    def end(self, before: float, within: float) -> None:
        """End it; nothing happens where none was begun.

        Args:
            before: Seconds of waiting for the first batch of the update.
            within: And for its others.
        """
        if self._stack is None:
            return
        self._stack.close()
        self._stack = None
        found = dict(self._found.totals)
        # Which calls backward.
        found['optimizer'] = found.get('optimizer', 0.) - found.get('backward', 0.)
        self.updates += 1
        self.seconds += before + self._end - self._start
        for name, seconds in {'data': before + within, **found}.items():
            self.parts[name] = self.parts.get(name, 0.) + seconds

    def shares(self) -> dict[str, float]:
        """Seconds by part, the rest included."""
        return {**self.parts, 'rest': self.seconds - sum(self.parts.values())}

    def _watch(self, owner: Any, method: str, part: str) -> None:
        call = getattr(owner, method)

        def watched(*args: Any, **kwargs: Any) -> Any:
            with self._found.part(part):
                result = call(*args, **kwargs)
            self._end = time.perf_counter()
            return result

        assert self._stack is not None
        vars(owner)[method] = watched
        self._stack.callback(vars(owner).pop, method)
