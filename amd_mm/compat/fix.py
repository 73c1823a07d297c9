"""What a fix of a host library is, and what became of each one in this process."""
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple


class Verdict(NamedTuple):
    """Whether a fix is needed here, and the observation that decided it."""
    needed: bool
    why: str


@dataclass(frozen=True)
class Fix:
    """One defect of a host library and its remedy.

    A fix waits for its ``trigger`` to be imported, so that importing ``amd_mm``
    imports no host. Exactly one of ``apply``, ``around`` and ``fill`` is given.

    Args:
        name: Short unique name.
        host: Top-level module of the library at fault.
        symptom: What a user sees without the fix.
        affected: Versions of the host (and of what it stands on) that were seen to need it.
        link: Upstream report or source.
        trigger: Full name of the module whose import decides.
        check: Called with the trigger module; says whether the fix is needed. It looks at
            behaviour or at a version, never at the name of a distribution: forks share
            the import names. Not called for ``fill``, which is needed when no finder of
            Python's import system knows the trigger.
        apply: Called with the executed trigger module.
        around: Called with the trigger module before it is executed; returns a context
            manager that encloses the execution.
        fill: Called with an empty module that stands in for the missing trigger.
        is_package: Whether the stand-in module has submodules.
    """
    name: str
    host: str
    symptom: str
    affected: str
    link: str
    trigger: str
    check: Callable[[ModuleType], Verdict] | None = None
    apply: Callable[[ModuleType], None] | None = None
    around: Callable[[ModuleType], AbstractContextManager[None]] | None = None
    fill: Callable[[ModuleType], None] | None = None
    is_package: bool = False

    def __post_init__(self) -> None:
        assert sum(part is not None for part in (self.apply, self.around, self.fill)) == 1
        assert (self.check is None) == (self.fill is not None)


OUTCOMES: dict[str, Verdict] = {}
"""Name of a fix -> its verdict in this process; absent while its trigger is not imported."""
