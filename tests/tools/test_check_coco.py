"""The command that checks boxes in COCO's format, in this process."""
import importlib.util
from pathlib import Path

import coco_set
import detectors
import pytest

TOOL = Path(__file__).parents[2] / 'tools' / 'data' / 'check_coco.py'


@pytest.fixture
def main(monkeypatch):
    spec = importlib.util.spec_from_file_location('check_coco', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(*args: str) -> int:
        monkeypatch.setattr('sys.argv', [str(TOOL), *map(str, args)])
        return module.main()

    return run


def test_counts_of_a_config(main, tmp_path: Path, capsys) -> None:
    root = detectors.make_set(tmp_path / 'set')
    detectors.small(detectors.OWN, tmp_path, None, root).dump(tmp_path / 'config.py')
    assert main(tmp_path / 'config.py') == 0
    count = coco_set.instances().max()
    lines = [line for line in capsys.readouterr().out.splitlines() if 'without a box' in line]
    assert lines == [
        f'{part}: {pictures} pictures, {pictures * count} boxes, 2 classes, 0 pictures without a '
        'box' for part, pictures in (('train', 4), ('val', 2), ('test', 2))]


def test_a_file_with_faults(main, tmp_path: Path, capsys) -> None:
    content = coco_set.coco_content(copies=2)
    content['annotations'] = [one for one in content['annotations'] if one['image_id'] == 10]
    content['annotations'][3]['bbox'][2] = 0
    ann_file = coco_set.write_coco(tmp_path, content)
    assert main(ann_file, tmp_path / 'train') == 2
    said = capsys.readouterr()
    assert '1 pictures without a box (nuclei 1.png)' in said.out
    assert 'train.json: a box must be ' in said.err
    assert 'but 1 not so: annotation 4 of nuclei 0.png has no area' in said.err


def test_a_config_of_other_data(main, tmp_path: Path, capsys) -> None:
    config = detectors.small(detectors.OWN, tmp_path, None, tmp_path)
    for part in ('train', 'val', 'test'):
        config[f'{part}_dataloader'].dataset = dict(type='amd_mm.PictureDataset')
    config.dump(tmp_path / 'config.py')
    assert main(tmp_path / 'config.py') == 2
    assert "must be a config with data in COCO's format" in capsys.readouterr().err
