"""The house has one direction: a room uses the rooms below it and none above."""
import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / 'amd_mm'
# From the ground up; what stands in one row may use each other only as the files need.
ROOMS = (
    ('version', 'registry', 'compat'), ('values', ), ('keys', 'tokens'),
    ('positions', 'arguments', 'command_line', 'console', 'config_keys', 'config_values',
     'failures', 'input_shape', 'meeting', 'resolved_config',
     'stopping'),
    ('datasets', ), ('profiling', ),
    ('checkpoints', ), ('models', ), ('export', ), ('visualization', ), ('inference', ),
    ('deploy', ), ('report', ), ('engine', ), ('studies', ), ('command', ))
LEVELS = {room: level for level, row in enumerate(ROOMS) for room in row}
FILES = sorted(path for path in PACKAGE.rglob('*.py') if '.mim' not in path.parts)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix('.py')


def imports(path: Path) -> list[tuple[ast.AST, str]]:
    """Import statements of ours, with the names of what they import; those for types too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import'
            names = [f'{node.module}.{alias.name}' for alias in node.names]
            if node.module != 'amd_mm':
                names = [node.module]
            found += [(node, name) for name in names]
    return [(node, name) for node, name in found if name.split('.')[0] == 'amd_mm']


def test_every_room_is_known():
    assert {room_of(path) for path in FILES} - {'__init__'} == set(LEVELS)


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_arrow_points_upwards(path):
    here = room_of(path)
    if here == '__init__':
        return
    for _, name in imports(path):
        there = name.split('.')[1] if '.' in name else 'version'
        assert LEVELS[there] <= LEVELS[here], f'{here} uses {name}, which is above it'


@pytest.mark.parametrize('path', [path for path in FILES if room_of(path) != 'compat'],
                         ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_import_of_ours_hides_in_a_function(path):
    """Fixes of hosts wait for a host's import; nothing else of ours has a circle to break."""
    tree = ast.parse(path.read_text())
    top = {(node.lineno, node.col_offset) for node in tree.body}
    hidden = [name for node, name in imports(path) if (node.lineno, node.col_offset) not in top]
    assert not hidden
