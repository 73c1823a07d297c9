"""Objects of the small recipe, against the model's own predictions."""
from pathlib import Path

import cv2
import detectors
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample

from amd_mm.inference import Detector

MEAN, STD = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    return detectors.make_set(tmp_path_factory.mktemp('set'))


def colours(height: int, width: int) -> np.ndarray:
    """RGB noise, smooth enough to survive a resize."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def save(picture: np.ndarray, path: Path) -> Path:
    cv2.imwrite(str(path), picture[..., ::-1])
    return path


def test_objects_are_the_models(root: Path, tmp_path: Path) -> None:
    """Of a picture that testing takes as it is."""
    cfg, model = detectors.detecting(tmp_path, root)
    picture = colours(64, 64)
    found = Detector(cfg, tmp_path / 'last.pth').detections(save(picture, tmp_path / 'a.png'))
    pixels = ((torch.from_numpy(picture).float() - MEAN) / STD).permute(2, 0, 1)[None]
    sample = DetDataSample(metainfo=dict(
        img_shape=(64, 64), ori_shape=(64, 64), scale_factor=(1., 1.), batch_input_shape=(64, 64)))
    with torch.no_grad():
        expected = model.predict(pixels, [sample])[0].pred_instances
    assert len(found) == len(expected) > 5
    order = expected.scores.argsort(descending=True, stable=True)
    np.testing.assert_allclose([one.score for one in found], expected.scores[order], rtol=1e-4)
    np.testing.assert_allclose([one.box for one in found], expected.bboxes[order], atol=1e-2)
    assert [one.label for one in found] == expected.labels[order].tolist()
    assert (np.stack([one.mask for one in found]) == expected.masks[order].numpy()).mean() > .999
    assert {one.name for one in found} <= set(detectors.CLASSES)
    floor = found[3].score
    assert len(Detector(cfg, tmp_path / 'last.pth').detections(tmp_path / 'a.png', floor)) == 4


def test_boxes_and_masks_are_those_of_the_picture_at_its_own_size(root: Path,
                                                                  tmp_path: Path) -> None:
    cfg, _ = detectors.detecting(tmp_path, root)
    detector = Detector(cfg, tmp_path / 'last.pth')
    picture = colours(100, 128)
    found = detector.detections(save(picture, tmp_path / 'a.png'))
    half = detector.detections(save(cv2.resize(picture, (64, 50)), tmp_path / 'b.png'))
    assert {one.mask.shape for one in found} == {(100, 128)}
    # A frame of a video is a picture in memory.
    for one, other in zip(found, detector.detections_in(picture), strict=True):
        assert one._replace(mask=None) == other._replace(mask=None)
    assert {one.mask.shape for one in half} == {(50, 64)}
    np.testing.assert_allclose([one.score for one in found], [one.score for one in half], rtol=1e-3)
    np.testing.assert_allclose(
        [one.box for one in found], 2 * np.array([one.box for one in half]), atol=.1)


def test_without_masks(root: Path, tmp_path: Path) -> None:
    cfg, _ = detectors.detecting(tmp_path, root, detectors.OWN_BOXES)
    found = Detector(cfg, tmp_path / 'last.pth').detections(
        save(colours(64, 64), tmp_path / 'a.png'))
    assert found and all(one.mask is None for one in found)


def test_what_does_not_fit_is_refused(root: Path, tmp_path: Path) -> None:
    cfg, model = detectors.detecting(tmp_path, root)
    content = torch.load(tmp_path / 'last.pth', weights_only=True)
    (tmp_path / 'three.txt').write_text('a\nb\nc')
    fixed = detectors.small(detectors.COCO, tmp_path, None, root)
    with pytest.raises(ValueError, match='must be as many as the classes of the model'):
        Detector(fixed, tmp_path / 'last.pth', tmp_path / 'three.txt')
    del content['state_dict']['rpn_head.rpn_cls.weight']
    torch.save(content, tmp_path / 'less.pth')
    with pytest.raises(ValueError, match=r'must fit the model exactly, but .*rpn_cls'):
        Detector(cfg, tmp_path / 'less.pth')
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'nameless.pth')
    with pytest.raises(ValueError, match='give --classes FILE'):
        Detector(cfg, tmp_path / 'nameless.pth')
    (tmp_path / 'broken.png').write_text('no picture')
    with pytest.raises(ValueError, match='must be a picture'):
        Detector(cfg, tmp_path / 'last.pth').detections(tmp_path / 'broken.png')
