import argparse
import itertools
import resource
import runpy
import time
from pathlib import Path
from types import SimpleNamespace

import torch
from clock import Clock

SCRIPT = Path(__file__).parents[2] / 'tools/analysis_tools/benchmark_finetuning.py'
benchmark = runpy.run_path(str(SCRIPT))


def test_every_network_takes_a_step(monkeypatch):
    """That they are the same network; how they compare is for a real size to say."""
    built, peaks = [], itertools.count(100, 7)
    monkeypatch.setattr(resource, 'getrusage', lambda who: SimpleNamespace(
        ru_maxrss=next(peaks) * 2**20 / benchmark['UNIT']))
    monkeypatch.setattr(time, 'perf_counter', Clock(tick=.5).perf_counter)
    build = benchmark['MODELS'].build
    monkeypatch.setattr(benchmark['MODELS'], 'build',
                        lambda cfg: built.append(build(cfg)) or built[-1])
    threads = torch.get_num_threads()
    for network in benchmark['NETWORKS']:
        assert benchmark['measure'](argparse.Namespace(
            network=network, size=32, frames=4, width=24, depth=2, heads=3, threads=threads,
            device='cpu')) == (7, .5)
        assert all(weight.grad is not None for weight in built[-1].parameters())
    host, ours, recomputing = (model.state_dict().keys() for model in built[1::2])
    assert host == ours == recomputing
    assert [getattr(model, 'with_cp', None) for model in built[1::2]] == [None, False, True]
