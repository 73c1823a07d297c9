"""What is wrong with the host libraries on today's Python stack, and the remedies.

One module a host or a defect; ``python -m amd_mm.compat`` prints what was done here and why.
"""
from amd_mm.compat import (
    fix_decord,
    fix_eager_mmdet,
    fix_hue,
    fix_mmaction,
    fix_mmcv,
    fix_mmcv_version,
    fix_mmengine,
    fix_no_accelerator,
    fix_numpy,
    fix_opencv,
    fix_remote,
    fix_torch,
    fix_torchvision,
    fix_transformers,
    fix_unsafe_files,
    import_hooks,
)

FIXES = [
    *fix_numpy.FIXES,
    *fix_opencv.FIXES,
    *fix_decord.FIXES,
    *fix_torch.FIXES,
    *fix_unsafe_files.FIXES,
    *fix_torchvision.FIXES,
    *fix_mmengine.FIXES,
    *fix_remote.FIXES,
    *fix_no_accelerator.FIXES,
    *fix_mmcv.FIXES,
    *fix_mmcv_version.FIXES,
    *fix_hue.FIXES,
    *fix_transformers.FIXES,
    *fix_mmaction.FIXES,
    *fix_eager_mmdet.FIXES,
]

_installed = False


def apply_fixes() -> None:
    """Mend the host libraries: each when it is imported, and only where it is needed.

    Raises:
        ImportError: If there is no mmcv at all.
    """
    global _installed
    if not _installed:
        fix_mmcv.require_mmcv()
        import_hooks.install(FIXES)
        _installed = True


__all__ = ['FIXES', 'apply_fixes']
