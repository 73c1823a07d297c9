"""Mask R-CNN on students: what the recipes say, and from real nuclei to AP."""
from pathlib import Path

import detectors
import pytest
import torch
import transfer
from detectors import RECIPES, small

from amd_mm.engine import build_training_runner


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    """The nuclei as a set, with a student."""
    root = detectors.make_set(tmp_path_factory.mktemp('nuclei'))
    transfer.make_student(root / 'student.pth', 'image')
    return root


@pytest.mark.parametrize('name', RECIPES)
def test_two_steps_and_average_precision(name: str, root: Path, tmp_path: Path) -> None:
    cfg = small(name, tmp_path / 'run', root / 'student.pth', root)
    before = torch.load(root / 'student.pth', weights_only=True)['state_dict']
    runner = build_training_runner(cfg)
    runner.train()
    assert runner.iter == 2
    names = {name.removeprefix('val/') for name in runner.message_hub.log_scalars
             if name.startswith('val/coco/')}
    assert 'coco/bbox_mAP' in names
    assert ('coco/segm_mAP' in names) == ('mask-rcnn' in name)
    after = runner.model.backbone.state_dict()
    assert all(not torch.equal(value, before[f'backbone.{key}']) for key, value in after.items())
