"""Runs fixes when the modules they concern are imported, and not before."""
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from amd_mm.compat.fix import OUTCOMES, Fix, Verdict


class FixingLoader(Loader):
    """Executes a module with the loader it has anyway, fixes around and after it."""

    def __init__(self, loader: Loader, fixes: list[Fix]) -> None:
        self.loader = loader
        self.fixes = fixes

    def __getattr__(self, name: str) -> object:
        # get_source, get_filename, is_package...: what the real loader can do
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The module, as the real loader makes it."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module, and mend it where it needs it."""
        assert module.__spec__ is not None
        module.__loader__ = module.__spec__.loader = self.loader  # leave no trace
        with ExitStack() as stack:
            for fix in self.fixes:
                if fix.around and _needed(fix, module):
                    stack.enter_context(fix.around(module))
            self.loader.exec_module(module)
        run_fixes(module, self.fixes)


class FixingFinder(MetaPathFinder):
    """First in ``sys.meta_path``: lends a :class:`FixingLoader` to the triggers."""

    def __init__(self, fixes: Iterable[Fix]) -> None:
        self.fixes: dict[str, list[Fix]] = {}
        for fix in fixes:
            self.fixes.setdefault(fix.trigger, []).append(fix)

    def find_spec(self, fullname: str, path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        """A trigger's spec from whoever has it, with our loader around the real one."""
        if fullname not in self.fixes:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, 'find_spec'):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, 'exec_module'):
                    spec.loader = FixingLoader(spec.loader, self.fixes[fullname])
                return spec
        return None


class StandInFinder(MetaPathFinder, Loader):
    """Last in ``sys.meta_path``: asked only for modules that nobody else knows."""

    def __init__(self, fixes: Iterable[Fix]) -> None:
        self.fixes = {fix.trigger: fix for fix in fixes}

    def find_spec(self, fullname: str, path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of a module that is missing here and that a fix stands in for."""
        if fullname not in self.fixes:
            return None
        return ModuleSpec(fullname, self, is_package=self.fixes[fullname].is_package)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """None: an empty module will do."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module with the fix's stand-in."""
        fix = self.fixes[module.__name__]
        OUTCOMES[fix.name] = Verdict(True, f'the installed {fix.host} has no {fix.trigger}')
        assert fix.fill is not None
        fix.fill(module)


def _needed(fix: Fix, module: ModuleType) -> bool:
    assert fix.check is not None
    OUTCOMES[fix.name] = fix.check(module)
    return OUTCOMES[fix.name].needed


def run_fixes(module: ModuleType, fixes: Iterable[Fix]) -> None:
    """Apply to an executed module those fixes that it needs."""
    for fix in fixes:
        if fix.apply and _needed(fix, module):
            fix.apply(module)


def install(fixes: Iterable[Fix]) -> None:
    """Fix the hosts that are imported already, and the others when they will be."""
    fixes = list(fixes)
    # before the hooks: what a fix imports on its way is fixed by them
    imported = [(sys.modules[fix.trigger], fix) for fix in fixes
                if fix.apply and fix.trigger in sys.modules]
    sys.meta_path.insert(0, FixingFinder(fix for fix in fixes if not fix.fill))
    sys.meta_path.append(StandInFinder(fix for fix in fixes if fix.fill))
    for module, fix in imported:
        run_fixes(module, [fix])
