"""Shows what a command has held back, once a run has begun."""
from collections.abc import Callable
from typing import Any

from mmengine.hooks import Hook


class ShowOutputHook(Hook):
    """Calls a function when everything is built, loaded and checked, and the first batch is there.

    Args:
        show: As :meth:`amd_mm.failures.HeldOutput.show`; called once.
    """

    priority = 'LOWEST'  # after the hooks that look for mistakes

    def __init__(self, show: Callable[[], None]) -> None:
        self._show: Callable[[], None] | None = show

    def _before_iter(self, *_: Any, **__: Any) -> None:
        if self._show is not None:
            self._show()
            self._show = None
