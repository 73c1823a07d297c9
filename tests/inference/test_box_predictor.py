"""What is said, drawn and kept of a picture."""
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from amd_mm.inference import BoxPredictor, Detection
from amd_mm.visualization import draw_boxes, paint

FIRST, SECOND = np.zeros((2, 20, 30), bool)
FIRST[2:6, 3:9] = SECOND[4:9, 4:12] = True
OBJECTS = [Detection(1, 'sea', .9, (3., 2., 9., 6.), FIRST),
           Detection(0, None, .6, (4., 4., 12., 9.), SECOND)]


def predictor(objects: list[Detection], **settings) -> BoxPredictor:
    return BoxPredictor(SimpleNamespace(
        detections=lambda path, least: [one for one in objects if one.score >= least],
        num_classes=2), **settings)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new('RGB', (30, 20), (9, 99, 200)).save(tmp_path / 'a.png')
    return tmp_path / 'a.png'


def test_lines_pictures_and_json(picture: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / 'out'
    out.mkdir()
    said = predictor(OBJECTS, top_k=1, out=out)
    said.one(picture)
    assert capsys.readouterr().out == (
        f'{picture}\n  0.900  sea  3.0, 2.0, 9.0, 6.0\n  and 1 more\n')
    assert said.results == [dict(input=str(picture), objects=[
        dict(label=1, name='sea', score=.9, box=(3., 2., 9., 6.)),
        dict(label=0, name=None, score=.6, box=(4., 4., 12., 9.))])]
    # The better one where both are.
    numbers = np.where(FIRST, 1, np.where(SECOND, 2, 0))
    assert (np.asarray(Image.open(out / 'a.instances.png')) == numbers).all()
    colours = [(0, 128, 0), (128, 0, 0)]
    painted = paint(np.asarray(Image.open(picture)), numbers - 1, colours)
    expected = draw_boxes(painted, [one.box for one in OBJECTS], ['sea 0.90', 'class 0 0.60'],
                          colours)
    assert (np.asarray(Image.open(out / 'a.png')) == expected).all()


def test_what_is_less_certain_is_left_out(picture: Path, capsys) -> None:
    said = predictor(OBJECTS, min_score=.7)
    said.one(picture)
    assert [one['label'] for one in said.results[0]['objects']] == [1]
    assert 'class 0' not in capsys.readouterr().out


def test_boxes_alone_and_nothing_at_all(picture: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    out.mkdir()
    predictor([OBJECTS[0]._replace(mask=None)], out=out).one(picture)
    assert [path.name for path in out.iterdir()] == ['a.png']
    predictor([], out=out).one(picture)
    assert (np.asarray(Image.open(out / 'a.png')) == np.asarray(Image.open(picture))).all()
