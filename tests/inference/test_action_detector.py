"""Actions in films against the data set's own way: a key frame, its clip, its boxes."""
from pathlib import Path

import ava_set
import pytest
import tiny_vits
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from amd_mm.inference import ActionDetector, Person, is_action_detector
from amd_mm.registry import DATASETS, MODELS

RECIPES = ['vit-small-p16_k400-amd-pre_b64-16x4x1-20e-adamw_ava22-videos-rgb',
           'vit-small-p16_k400-amd-pre_b128-16x4x1-30e_ava22-videos-rgb']
BOXES = [ava_set.LEFT, ava_set.RIGHT]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return ava_set.make_set(tmp_path_factory.mktemp('set') / 'ava')


def detecting(name: str, root: Path, folder: Path) -> tuple[Config, Path]:
    """A small recipe and its checkpoint."""
    config = ava_set.small(name, root, folder, None)
    parts = dict(config.model, backbone=dict(config.model.backbone, init_cfg=None))
    model = tiny_vits.randomise(MODELS.build(parts))
    torch.save(dict(state_dict=model.state_dict()), folder / 'last.pth')
    return config, folder / 'last.pth'


@pytest.mark.parametrize('name', RECIPES)
def test_a_film_gets_what_testing_gives(root, tmp_path, name):
    config, checkpoint = detecting(name, root, tmp_path)
    detector = ActionDetector(config, checkpoint)
    assert is_action_detector(config)
    assert detector.names == ava_set.LABELS
    asked = []

    def people(path, time, picture):
        assert picture.shape == (ava_set.SIZE[1], ava_set.SIZE[0], 3)
        asked.append(time)
        return [] if len(asked) == 2 else [Person(box, 1., None) for box in BOXES]

    path = root / 'videos/bikes.mp4'
    moments = list(detector.moments(path, people, .6))
    # Clips of 8 frames every 6, the last at the end: 0, 6 ... 30, 32; the key frame is the fifth.
    assert asked == [moment.time for moment in moments] == pytest.approx(
        [.4, 1, 1.6, 2.2, 2.8, 3.4, 3.6])
    assert moments[1].scores.shape == (0, ava_set.NUM_CLASSES) and not moments[1].people

    # Key frame 1 s of the set is frame 10.
    again = list(detector.moments(path, lambda *_: [Person(box, 1., None) for box in BOXES], .6))
    dataset = DATASETS.build(config.test_dataloader.dataset)
    sample = next(one for one in dataset
                  if (one['data_samples'].video_id, one['data_samples'].timestamp) == ('bikes', 1))
    with torch.no_grad():
        wanted, = detector.model.test_step(pseudo_collate([sample]))
    torch.testing.assert_close(again[1].scores, wanted.pred_instances.scores,
                               rtol=1e-4, atol=1e-5)
    assert again[1].time == pytest.approx(1)


def test_wrong_checkpoints_and_files_are_named(root, tmp_path):
    config, checkpoint = detecting(RECIPES[0], root, tmp_path)
    state = torch.load(checkpoint)['state_dict']
    state.popitem()
    torch.save(dict(state_dict=state), tmp_path / 'less.pth')
    with pytest.raises(ValueError, match='less.pth: must fit the model exactly'):
        ActionDetector(config, tmp_path / 'less.pth')
    detector = ActionDetector(config, checkpoint)
    with pytest.raises(ValueError, match='labels.pbtxt: must be a video'):
        list(detector.moments(root / 'labels.pbtxt', lambda *_: []))
