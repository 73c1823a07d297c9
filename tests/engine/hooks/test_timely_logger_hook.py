import json
from types import SimpleNamespace

import pytest
from runs import run, toy_config


def steps(tmp_path, monkeypatch, now: list[float], **logger) -> list[int]:
    """The iterations, each at its time, that a run of eight leaves in its record."""
    times = iter(now)
    # Its own name of the module: others look at the clock as well.
    monkeypatch.setattr('amd_mm.engine.hooks.timely_logger_hook.time',
                        SimpleNamespace(monotonic=lambda: next(times)))
    cfg = toy_config(tmp_path, size=16, max_epochs=1)
    cfg.default_hooks.logger = dict(type='amd_mm.TimelyLoggerHook', **logger)
    run(cfg)
    lines = next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()
    return [json.loads(line)['step'] for line in lines]



@pytest.mark.parametrize('logger, expected', [
    # At 0 because nothing was said before; at 40 and 80 seconds by the clock; an epoch's last.
    (dict(interval=100), [1, 4, 7, 8]),
    # 29 seconds after the sixth nothing is due.
    (dict(interval=3), [1, 3, 4, 6, 8]),
    (dict(interval=100, seconds=10.), [1, 3, 4, 5, 7, 8]),
    (dict(interval=4, seconds=None), [4, 8]),
])
def test_lines_come_by_iterations_and_by_the_clock(tmp_path, monkeypatch, logger, expected):
    now = [0., 5., 10., 40., 50., 51., 80., 90.]
    assert steps(tmp_path, monkeypatch, now, ignore_last=True, **logger) == expected
