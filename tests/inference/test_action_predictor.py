import json
from pathlib import Path

import pytest
import torch

from amd_mm.inference import ActionPredictor, Moment, Person


class Detector:
    """Nobody, then two people."""

    names = {1: 'sit', 3: 'stand'}

    def __init__(self) -> None:
        self.asked = 0

    def moments(self, path, people, stride):
        self.asked += 1
        assert (people, stride) == ('people', 2.)
        yield Moment(.5, [], torch.empty(0, 4))
        yield Moment(2.5, [Person((0, .25, .5, 1), 1., 'a'), Person((0, 0, 1, 1), .5, None)],
                     torch.tensor([[1, .75, .5, 0], [0, .25, .5, 1]]))
        if path.stem == 'broken':
            raise ValueError('broken')


def test_key_frames_are_lines(tmp_path, capsys):
    detector = Detector()
    predictor = ActionPredictor(detector, 'people', 2., 2, tmp_path)
    predictor.one(Path('x/film.mp4'))
    said = capsys.readouterr().out
    assert '2.50 s  0.750  sit  (track a)' in said
    assert '2.50 s  1.000  stand  (0.00, 0.00, 1.00, 1.00)' in said
    lines = [json.loads(line) for line in (tmp_path / 'film.jsonl').open()]
    assert lines[0] == dict(input='x/film.mp4', time=.5, people=[])
    assert lines[1]['people'][0] == dict(box=[0, .25, .5, 1], score=1, track='a', actions=[
        dict(label=1, name='sit', score=.75), dict(label=2, name=None, score=.5)])
    # Given again, what is there is there.
    ActionPredictor(detector, 'people', 2., 2, tmp_path).one(Path('x/film.mp4'))
    assert 'film.jsonl already' in capsys.readouterr().out and detector.asked == 1


def test_a_film_that_breaks_off_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match='broken'):
        ActionPredictor(Detector(), 'people', 2., 2, tmp_path).one(Path('broken.mp4'))
    assert not list(tmp_path.iterdir())
