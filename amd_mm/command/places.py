"""Where tools and configs are: in the installed package, or beside it in a checkout."""
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def _find(part: str) -> Path:
    # An installation has copies of them, an editable one links.
    installed = _PACKAGE / '.mim' / part
    return installed if installed.is_dir() else _PACKAGE.parent / part


TOOLS = _find('tools')
CONFIGS = _find('configs')
