"""Seconds by part, with a clock that counts calls."""
from types import SimpleNamespace

import pytest
from torch import nn

from amd_mm.report.gathering import part_times


class Wrapper:
    """An optimizer wrapper whose clock moves where it works."""

    def __init__(self, clock) -> None:
        self.clock = clock

    def backward(self, loss: str) -> str:
        self.clock.now += 5
        return f'backward of {loss}'

    def update_params(self, loss: str) -> str:
        found = self.backward(loss)
        self.clock.now += 2
        return found


@pytest.fixture
def clock(monkeypatch):
    found = SimpleNamespace(now=0.)
    monkeypatch.setattr(part_times.time, 'perf_counter', lambda: found.now)
    return found


def test_parts_and_the_rest_make_up_the_update(clock):
    times, wrapper, model = part_times.PartTimes(), Wrapper(clock), nn.Linear(1, 1)
    for _ in range(2):
        times.begin(model, wrapper)
        clock.now += 3  # forward
        assert wrapper.update_params('it') == 'backward of it'
        clock.now += 100  # hooks that come behind the update
        times.end(before=1, within=.5)
    assert times.updates == 2 and times.seconds == 2 * (1 + 3 + 7)
    assert times.shares() == dict(
        data=3., backward=10., optimizer=4., rest=pytest.approx(22 - 17))
    assert 'backward' not in vars(wrapper) and 'update_params' not in vars(wrapper)


def test_what_was_not_begun_is_not_counted(clock):
    times = part_times.PartTimes()
    times.end(1, 1)
    assert times.updates == 0 and times.shares() == dict(rest=0)
