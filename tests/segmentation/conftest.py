import gc

import pytest


@pytest.fixture(autouse=True)
def quick_runners(monkeypatch):
    """Spares what costs runs of two steps most: pretty configs, collecting all of torch."""
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (text, True))
    gc.freeze()
    yield
    gc.unfreeze()
