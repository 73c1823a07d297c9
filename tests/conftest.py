from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

from amd_mm.stopping import stop_signals

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


@pytest.fixture(autouse=True)
def signals_given_back() -> Iterator[None]:
    """A run that an error ended keeps its signals, as its process would end with it."""
    yield
    stop_signals.give_back()
