"""Lines of the log by iterations, and by the clock where iterations are slow."""
import time
from typing import Any

from mmengine.hooks import LoggerHook

from amd_mm.registry import HOOKS
from amd_mm.values import number, optional, takes


@HOOKS.register_module()
class TimelyLoggerHook(LoggerHook):
    """MMEngine's logger hook, which also logs when nothing has been logged for some time.

    On a slow machine an interval that suits a fast one leaves a user without a word for minutes.
    The first iteration of a run is logged at once.

    Args:
        seconds: Time from one line to the next at the most, above 0; None: the interval alone
            counts.
        **kwargs: Of MMEngine's hook, such as ``interval``.
    """

    @takes(seconds=optional(number(above=0)))
    def __init__(self, seconds: float | None = 30., **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seconds = seconds
        self._last: float | None = None

    def every_n_inner_iters(self, batch_idx: int, n: int) -> bool:
        """Whether a line is due; asked once an iteration, and then it is written."""
        now = time.monotonic()
        by_clock = self.seconds is not None and (
            self._last is None or now - self._last >= self.seconds)
        due = by_clock or super().every_n_inner_iters(batch_idx, n)
        if due:
            self._last = now
        return due
