"""What is said, drawn and kept of a picture."""
from pathlib import Path
from types import SimpleNamespace

import nuclei
import numpy as np
from PIL import Image

from amd_mm.inference import MaskPredictor, Share
from amd_mm.inference.segmentor import Segmentor
from amd_mm.visualization import legend, paint

PALETTE = [(10, 200, 30), (250, 0, 0), (0, 0, 9)]


def predictor(labels: np.ndarray, **settings) -> MaskPredictor:
    fixed = SimpleNamespace(
        labels=lambda path: labels, palette=PALETTE, classes=('sky', 'sea', 'sand'))
    fixed.shares = lambda found: Segmentor.shares(fixed, found)
    return MaskPredictor(fixed, **settings)


def test_lines_pictures_and_json(tmp_path: Path, capsys) -> None:
    labels = np.zeros((nuclei.SIDE, nuclei.SIDE), np.int64)
    labels[:16] = 2
    labels[16:24] = 1
    pictures = [nuclei.save(nuclei.crop('picture', (0, 0)), tmp_path / folder / 'a.png')
                for folder in ('one', 'two')]
    predictor_ = predictor(labels, top_k=2, out=tmp_path)
    for path in pictures:
        predictor_.one(path)
    assert capsys.readouterr().out == ''.join(
        f'{path}\n   62.5 %  sky\n   25.0 %  sand\n' for path in pictures)
    assert predictor_.results == [dict(input=str(path), classes=[
        Share(0, 'sky', .625)._asdict(), Share(2, 'sand', .25)._asdict()]) for path in pictures]
    assert sorted(path.name for path in tmp_path.glob('*.png')) == [
        'a-2.labels.png', 'a-2.png', 'a.labels.png', 'a.png']
    assert (np.asarray(Image.open(tmp_path / 'a.labels.png')) == labels).all()
    grey = np.repeat(nuclei.crop('picture', (0, 0))[..., None], 3, 2)
    expected = legend(paint(grey, labels, PALETTE), [' 62.5 %  sky', ' 25.0 %  sand'],
                      [PALETTE[0], PALETTE[2]])
    assert (np.asarray(Image.open(tmp_path / 'a.png')) == expected).all()


def test_nothing_is_written_without_a_folder(tmp_path: Path, capsys) -> None:
    predictor(np.ones((4, 4), np.int64)).one(tmp_path / 'a.png')
    assert '100.0 %  sea' in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
