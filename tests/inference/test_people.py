from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from amd_mm.inference import BoxFile, Detection, MMDetPeople, Person, TorchvisionPeople

PICTURE = np.zeros((40, 80, 3), np.uint8)


def test_a_file_gives_the_boxes_of_the_nearest_time(tmp_path):
    path = tmp_path / 'boxes.csv'
    path.write_text('a,1,0,0.25,0.5,1\na.mp4,9,0,0,1,1\na,2,0,0,1,1,0.75,left\na,2,0,0,.5,1,0.5,\n')
    people = BoxFile(path)
    assert people(Path('x/a.mkv'), 1.4, PICTURE) == [Person((0, .25, .5, 1), 1, None)]
    assert people(Path('x/a.mkv'), 1.6, PICTURE) == [
        Person((0, 0, 1, 1), .75, 'left'), Person((0, 0, .5, 1), .5, None)]
    assert people(Path('x/a.mkv'), 2.6, PICTURE) == []
    assert people(Path('a.mp4'), 9, PICTURE) == [Person((0, 0, 1, 1), 1, None)]
    assert people(Path('b.mp4'), 1, PICTURE) == []


@pytest.mark.parametrize('line', [
    'a,1,0,0,1', 'a,x,0,0,1,1', 'a,1,0,0,100,1', 'a,1,.5,0,.5,1', 'a,-1,0,0,1,1',
    'a,1,0,0,1,1,1,t,more', 'a,nan,0,0,1,1'])
def test_lines_of_another_form_are_named(tmp_path, line):
    path = tmp_path / 'boxes.csv'
    path.write_text(f'a,1,0,0,1,1\n{line}\n')
    with pytest.raises(ValueError, match='boxes.csv:2: a line of boxes must be video,time,x1'):
        BoxFile(path)


class Found(nn.Module):
    """Finds a person, a less certain one and a bicycle."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        assert images[0].shape == (3, 40, 80) and images[0].max() <= 1
        return [dict(boxes=torch.tensor([[8., 4, 40, 44], [0, 0, 9, 9], [0, 0, 9, 9]]),
                     labels=torch.tensor([1, 1, 2]), scores=torch.tensor([.9, .3, .9]))]


def test_torchvisions_people(tmp_path, monkeypatch):
    monkeypatch.setattr('torchvision.models.get_model', lambda name, **_: Found())
    torch.save(dict(weight=torch.ones(1)), tmp_path / 'right.pth')
    torch.save(dict(other=torch.ones(1)), tmp_path / 'wrong.pth')
    people = TorchvisionPeople('ssd300_vgg16', tmp_path / 'right.pth')
    (box, score, track), = people(Path('a'), 0, PICTURE + 255)
    assert box == pytest.approx((.1, .1, .5, 1)) and score == pytest.approx(.9) and track is None
    with pytest.raises(ValueError, match="must be the weights of torchvision's ssd300_vgg16"):
        TorchvisionPeople('ssd300_vgg16', tmp_path / 'wrong.pth')
    with pytest.raises(ValueError, match='must be a detector of torchvision .*ssd300.*got yolo'):
        TorchvisionPeople('yolo', tmp_path / 'right.pth')


def test_mmdets_people():
    class Detector:
        classes = ('person', 'dog')

        def detections_in(self, picture, min_score):
            assert picture is PICTURE and min_score == .8
            return [Detection(1, 'dog', .9, (0, 0, 8, 8), None),
                    Detection(0, 'person', .85, (8, 4, 40, 20), None)]

    assert MMDetPeople(Detector())(Path('a'), 0, PICTURE) == [
        Person((.1, .1, .5, .5), .85, None)]
    Detector.classes = None
    with pytest.raises(ValueError, match='must have a class person, but has none with a name'):
        MMDetPeople(Detector())
