"""Strips for loggers, and networks that one process alone cannot ask."""
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from golden import dmae_image, load_golden
from mmengine.structures import BaseDataElement
from mmengine.visualization import LocalVisBackend

from amd_mm.engine.hooks.report_networks import NetworkReport
from amd_mm.report import Record

SIZE = (3, 32, 32)


class Logger:
    """Keeps the pictures that it is given."""

    def __init__(self) -> None:
        self.given: list[tuple[str, tuple, int]] = []

    def add_image(self, name: str, image: np.ndarray, step: int) -> None:
        self.given.append((name, image.shape, step))


@pytest.fixture
def runner(tmp_path):
    backends = dict(files=LocalVisBackend(str(tmp_path / 'local')), board=Logger())
    return SimpleNamespace(model=load_golden(dmae_image('token')),
                           visualizer=SimpleNamespace(_vis_backends=backends))


@pytest.fixture
def report(tmp_path) -> NetworkReport:
    found = NetworkReport(Record(tmp_path), num_samples=2, num_strips=1, num_probed=4)
    pixels = torch.randint(256, (4, *SIZE), dtype=torch.uint8,
                           generator=torch.Generator().manual_seed(0))
    found.keep(dict(inputs=pixels, data_samples=[
        BaseDataElement(metainfo=dict(sample_key=number)) for number in range(4)]))
    return found


def test_every_part_is_kept_and_loggers_get_the_strip(report, runner):
    parts = report.parts(runner, 7)
    assert [name for name, _ in parts] == [
        'Reconstructions', 'Losses', 'Features as colours', 'Health']
    for _, part in parts:
        part()
    (name, shape, step), = runner.visualizer._vis_backends['board'].given
    # Four views of 128 pixels with gaps of 4, two samples of them.
    assert (name, shape, step) == ('reconstruction', (18 + 2 * 132, 4 + 4 * 132, 3), 7)
    assert not list(report.record.work_dir.glob('local/vis_image/*'))
    assert report.record.points('health')[0]['samples'] == 4
    assert all(report.record.points(name)[0]['update'] == 7
               for name in ('reconstructions', 'taps', 'colours'))


def test_weights_that_are_shared_out_are_not_asked(report, runner, monkeypatch):
    monkeypatch.setattr(type(runner.model.teacher), 'is_sharded', True)
    (name, part), = report.parts(runner, 7)
    assert name == 'Reconstructions'
    with pytest.raises(ValueError, match='one alone cannot look'):
        part()


def test_before_the_first_batch_there_is_nothing(tmp_path, runner):
    assert NetworkReport(Record(tmp_path), 2, 1, 4).parts(runner, 1) == []
