"""Prints which fixes were applied to the host libraries here, and why."""
import importlib
import importlib.util
import sys
import warnings

from amd_mm.compat import FIXES
from amd_mm.compat.fix import OUTCOMES, Fix

HEADER = ('fix', 'host version', 'applied', 'why', 'upstream')


def table_row(fix: Fix) -> tuple[str, ...]:
    """Import the module that a fix waits for, and say what became of the fix."""
    if importlib.util.find_spec(fix.host) is None:
        return (fix.name, f'{fix.host} absent', '-', 'nothing to mend', fix.link)
    try:
        importlib.import_module(fix.trigger)
        version = getattr(importlib.import_module(fix.host), '__version__', 'unknown')
    except Exception as error:  # a host that is broken in a way nobody knows yet
        return (fix.name, f'{fix.host} fails', '-', f'{type(error).__name__}: {error}', fix.link)
    if fix.name in OUTCOMES:
        needed, why = OUTCOMES[fix.name]
    else:
        needed, why = False, f'the installed {fix.host} has {fix.trigger}'
    return (fix.name, f'{fix.host} {version}', 'yes' if needed else 'no', why, fix.link)


def main() -> int:
    """Print the table; return the exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        rows = [HEADER, *map(table_row, FIXES)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print('  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
              .rstrip())
    return 0


if __name__ == '__main__':
    sys.exit(main())
