"""Strips of the nuclei: picture, truth and prediction."""
import runpy
import sys
from pathlib import Path

import nuclei
import numpy as np
import pytest
from PIL import Image

from amd_mm.inference import Segmentor
from amd_mm.visualization import paint

SCRIPT = Path(__file__).parents[2] / 'tools/visualizations/vis_segmentation.py'


@pytest.fixture
def command(tmp_path: Path, monkeypatch):
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (text, True))

    def run(*arguments) -> int:
        monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *map(str, arguments), '--device', 'cpu'])
        return runpy.run_path(str(SCRIPT))['main']()
    return run


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Config, checkpoint and the root of the data."""
    root = nuclei.make_own(tmp_path / 'own')
    cfg, _ = nuclei.segmented(tmp_path, root)
    cfg.dump(tmp_path / 'config.py')
    return tmp_path / 'config.py', tmp_path / 'last.pth', root


def test_predictions_stand_beside_the_truth(command, files, tmp_path: Path, capsys) -> None:
    config, checkpoint, root = files
    out = tmp_path / 'out'
    assert command(config, checkpoint, '--out', out) == 0
    assert sorted(path.name for path in out.iterdir()) == ['4.png', '5.png']
    segmentor = Segmentor(nuclei.segmented(tmp_path, root)[0], checkpoint)
    corner = nuclei.CORNERS[5]
    picture = np.repeat(nuclei.crop('picture', corner)[..., None], 3, 2)
    labels = segmentor.labels(next((root / 'val/pictures').rglob('5.png')))
    strip = np.asarray(Image.open(out / '5.png'))
    # Panels of 64 pixels are enlarged twice; 4 pixels between them, 18 for the labels above.
    panels = [strip[18:18 + 128, left:left + 128][::2, ::2] for left in (4, 136, 268)]
    for panel, expected in zip(panels, (
            picture, paint(picture, nuclei.mask(corner), segmentor.palette),
            paint(picture, labels, segmentor.palette)), strict=True):
        assert (panel == expected).all()


def test_one_of_them_and_a_broken_one(command, files, tmp_path: Path, capsys) -> None:
    config, checkpoint, root = files
    next((root / 'val/masks').rglob('4.png')).write_text('no picture')
    assert command(config, checkpoint, '--out', tmp_path / 'out', '--count', 1) == 2
    said = capsys.readouterr().err
    assert '4.png: must be a picture with a mask' in said and '1 of 1 inputs' in said


def test_another_config_is_refused(command, files, tmp_path: Path, capsys) -> None:
    config = nuclei.CONFIGS / 'finetune/vit-small-p16_amd-pre_b1024-coslr-100e_in1k.py'
    assert command(config, files[1], '--out', tmp_path / 'out') == 2
    assert 'must be a segmentation config, whose model has a decode_head' in capsys.readouterr().err
