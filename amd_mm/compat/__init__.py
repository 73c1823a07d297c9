"""What is wrong with the host libraries on today's Python stack, and the remedies.

One module a host; ``python -m amd_mm.compat`` prints what was done here and why.
"""
from amd_mm.compat import (
    fix_mmaction,
    fix_mmengine,
    fix_torchvision,
    fix_transformers,
    import_hooks,
)

FIXES = [
    *fix_torchvision.FIXES,
    *fix_mmengine.FIXES,
    *fix_transformers.FIXES,
    *fix_mmaction.FIXES,
]

_installed = False


def apply_fixes() -> None:
    """Mend the host libraries: each when it is imported, and only where it is needed."""
    global _installed
    if not _installed:
        import_hooks.install(FIXES)
        _installed = True


__all__ = ['FIXES', 'apply_fixes']
