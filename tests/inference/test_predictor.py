from pathlib import Path

import numpy as np
import torch

from amd_mm.inference import Prediction, Predictor, lines_of
from amd_mm.inference import predictor as module


class Counting:
    """A classifier whose score of class 1 is the number of frames it was shown, over ten."""

    is_video = True

    def window_length(self, fps: float) -> int:
        return 4

    def window_scores(self, frames: list) -> torch.Tensor:
        return torch.tensor([1 - len(frames) / 10, len(frames) / 10])

    def top(self, scores: torch.Tensor, count: int) -> list[Prediction]:
        order = scores.argsort(descending=True)[:count].tolist()
        return [Prediction(label, None, round(scores[label].item(), 3)) for label in order]


def test_windows_are_said_and_kept_in_seconds(monkeypatch, capsys):
    frames = [np.zeros((8, 8, 3), np.uint8)] * 6
    monkeypatch.setattr(module, 'video_frames', lambda path: (2., iter(frames)))
    predictor = Predictor(Counting(), top_k=1, window=2., stride=1.)
    predictor.sliding(Path('a.mp4'))
    best = [dict(label=0, name=None, score=.6)]
    assert predictor.results == [dict(input='a.mp4', windows=[
        dict(start=0., end=2., predictions=best), dict(start=1., end=3., predictions=best)])]
    assert '0.00 - 2.00 s  0.600  class 0' in capsys.readouterr().out


def test_a_class_without_a_name_has_its_number():
    assert lines_of([Prediction(3, None, .25), Prediction(1, 'cat', .5)]) == [
        '0.250  class 3', '0.500  cat']
