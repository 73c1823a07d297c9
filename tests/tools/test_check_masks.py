import importlib.util
from collections.abc import Callable
from pathlib import Path

import nuclei
import numpy as np
import pytest

TOOL = Path(__file__).parents[2] / 'tools/data/check_masks.py'
NAME = 'vit-small-p16_amd-pre_b16-upernet-50e_own-masks-512x512'


@pytest.fixture
def main(tmp_path: Path, monkeypatch) -> Callable[[], int]:
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (text, True))
    spec = importlib.util.spec_from_file_location('check_masks', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cfg = nuclei.small(NAME, tmp_path, None)
    nuclei.use(cfg, nuclei.make_own(tmp_path / 'set'))
    cfg.dump(tmp_path / 'config.py')
    monkeypatch.setattr('sys.argv', [str(TOOL), str(tmp_path / 'config.py')])
    return module.main


def test_counts(main, capsys) -> None:
    assert main() == 0
    lines = [line for line in capsys.readouterr().out.splitlines()
             if line.endswith('no fault') or ' %  ' in line]
    held_out = np.stack([nuclei.mask(corner) for corner in nuclei.CORNERS[nuclei.TRAINED:]])
    share = 100 * held_out.mean()
    nothing = '0.0 % of all pixels do not count; no fault'
    for part, (head, *shares) in zip(('train', 'val', 'test'),
                                     (lines[:3], lines[3:6], lines[6:]), strict=True):
        count = 4 if part == 'train' else 2
        assert head == f'{part}: {count} pictures, {count} with a class in their mask; {nothing}'
        if part != 'train':
            assert shares == [f'  {100 - share:6.2f} %  background', f'  {share:6.2f} %  nucleus']


def test_faults_are_the_last_message(main, tmp_path: Path, capsys) -> None:
    path = next((tmp_path / 'set/val/masks').rglob('5.png'))
    nuclei.save(np.full((nuclei.SIDE, nuclei.SIDE), 3, np.uint8), path)
    assert main() == 2
    assert (f'error: val: every picture must have a mask of its size with labels in [0, 2) or 255, '
            f'but of 2 samples\n  1 masks have labels of no class: {path} (3)'
            ) in capsys.readouterr().err
