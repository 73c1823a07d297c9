from collections import OrderedDict

import pytest
import torch
from mmengine.registry import DefaultScope

# Tiny networks: more threads than one only wait for each other.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_default_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts as a process does; a Runner leaves the scope of its config behind."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())
