"""Pre-training of small vision transformers by masked distillation, on MMEngine."""
from amd_mm.compat import apply_fixes
from amd_mm.version import __version__

apply_fixes()

__all__ = ['__version__']
