import gc
from multiprocessing.pool import ThreadPool

import pytest


@pytest.fixture(autouse=True)
def quick_runners(monkeypatch, tmp_path):
    """Spares what costs runs of two steps most: pretty configs, collecting all of torch, and
    the 32 processes that mmaction2's metric starts, which writes a file where it is run."""
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (text, True))
    monkeypatch.setattr('mmaction.evaluation.functional.ava_utils.multiprocessing.Pool',
                        lambda processes: ThreadPool(1))
    monkeypatch.chdir(tmp_path)
    gc.freeze()
    yield
    gc.unfreeze()
