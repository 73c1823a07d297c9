from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

# Tiny networks: more threads than one only wait for each other.
torch.set_num_threads(1)

# Whole runs: commands, recipes on data, several processes. `bash tools/run_tests.sh --fast` leaves
# them out; a slow test elsewhere carries the marker itself.
WHOLE_RUNS = ('detection', 'finetune', 'integration', 'tools')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whole runs by their folder."""
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).parts[0] in WHOLE_RUNS:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def no_default_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts as a process does; a Runner leaves the scope of its config behind."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())
