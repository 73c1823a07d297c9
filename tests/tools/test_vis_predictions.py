"""Strips of the nuclei: picture, truth and prediction."""
import json
import runpy
import sys
from pathlib import Path

import cv2
import detectors
import nuclei
import numpy as np
import pytest
from PIL import Image

from amd_mm.datasets.mask_dataset import default_palette
from amd_mm.datasets.transforms.pictures import read_picture
from amd_mm.inference import Detector, Segmentor
from amd_mm.inference.box_predictor import draw_objects
from amd_mm.visualization import paint

SCRIPT = Path(__file__).parents[2] / 'tools/visualizations/vis_predictions.py'


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
    assert 'must be a segmentation or detection config' in capsys.readouterr().err


@pytest.mark.parametrize('name', [detectors.OWN, detectors.OWN_BOXES])
def test_objects_stand_beside_what_is_annotated(name, command, tmp_path: Path) -> None:
    root = detectors.make_set(tmp_path / 'set')
    cfg, _ = detectors.detecting(tmp_path, root, name)
    cfg.dump(tmp_path / 'config.py')
    out = tmp_path / 'out'
    assert command(tmp_path / 'config.py', tmp_path / 'last.pth', '--out', out,
                   '--min-score', '0') == 0
    detector = Detector(cfg, tmp_path / 'last.pth')
    data = detector.annotated()
    truth = data.truth(0)
    picture = cv2.cvtColor(read_picture(str(data.path(0))), cv2.COLOR_BGR2RGB)
    said = json.loads((root / 'annotations/val.json').read_text())
    boxes = [one['bbox'] for one in said['annotations']
             if one['image_id'] == said['images'][0]['id']]
    assert [one.box for one in truth] == [(x, y, x + w, y + h) for x, y, w, h in boxes]
    palette = default_palette(detector.num_classes + 1)[1:]
    strip = np.asarray(Image.open(out / f'{data.path(0).stem}.png'))
    height, width = picture.shape[:2]
    enlarged = (strip.shape[1] - 4 * 4) // 3 // width
    for number, panel in enumerate((picture, draw_objects(picture, truth, palette),
                                    draw_objects(picture, detector.detections(data.path(0)),
                                                 palette))):
        left = 4 + number * (enlarged * width + 4)
        drawn = strip[18:18 + enlarged * height, left:left + enlarged * width]
        assert (drawn[::enlarged, ::enlarged] == panel).all()
