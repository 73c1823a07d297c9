"""AVA's model with boxes as an input, against mmaction2's own head and RoIAlign."""
import ava_set
import numpy as np
import pytest
import tiny_vits
import torch
from clips import REAL
from mmdet.structures.bbox import bbox2roi

from amd_mm.deploy import Form, Trial, Wish, export, open_model, read_subject
from amd_mm.deploy.networks import BoxScores
from amd_mm.registry import MODELS

MOVING, PLAIN = (f'vit-small-p16_k400-amd-pre_{rest}-rgb' for rest in (
    'b128-16x4x1-30e_ava22', 'b64-16x4x1-20e-adamw_ava22'))
BOXES = torch.tensor([[0., 0, 56, 40], [3, 4, 20, 33], [25.5, 8, 31, 12], [40, 20, 56, 39]])


@pytest.fixture(scope='module', params=[MOVING, PLAIN])
def ava(request, tmp_path_factory):
    """A small model of AVA, its config, and a checkpoint with both."""
    folder = tmp_path_factory.mktemp('ava')
    root = ava_set.make_set(folder / 'set')
    config = ava_set.small(request.param, root, folder, None)
    model = tiny_vits.randomise(MODELS.build(dict(
        config.model, backbone=dict(config.model.backbone, init_cfg=None))))
    torch.save(dict(meta=dict(cfg=config.pretty_text), state_dict=model.state_dict()),
               folder / 'last.pth')
    return folder / 'last.pth', model


@torch.no_grad()
def host_scores(model, pixels, boxes) -> np.ndarray:
    features, _ = model.roi_head.bbox_roi_extractor(model.backbone(pixels), bbox2roi([boxes]))
    return model.roi_head.bbox_head(features).sigmoid().numpy()


def test_boxes_get_the_hosts_scores(ava):
    _, model = ava
    pixels = torch.randn(1, 3, 4, 40, 56, generator=torch.Generator().manual_seed(0))
    want = host_scores(model, pixels, BOXES)
    with torch.no_grad():
        have = BoxScores(model, (40, 56))(pixels, BOXES).numpy()
    assert np.ptp(want, axis=0).max() > .01
    np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-6)
    # What reaches out of the frame is cut there.
    with torch.no_grad():
        wide = BoxScores(model, (40, 56))(pixels, torch.tensor([[-9., -9, 99, 99]])).numpy()
    np.testing.assert_allclose(wide, want[:1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('target', ['onnx', 'openvino', 'pt2'])
def test_a_file_takes_any_number_of_boxes(ava, tmp_path, target):
    checkpoint, model = ava
    subject = read_subject(checkpoint, Wish(size=(40, 56)))
    assert subject.classes == (
        'background', 'sit in a car', 'class 2', 'ride a bike', 'be on the right')
    export(subject, Form(target), Trial([REAL / 'bikes.mp4']), tmp_path / 'out')
    exported = open_model(tmp_path / 'out')
    clip = subject.read(REAL / 'carphone_pristine.mp4')
    values = (torch.tensor(clip[None]).float() - torch.tensor(subject.mean)
              ) / torch.tensor(subject.std)
    want = host_scores(model, values.permute(0, 4, 1, 2, 3), BOXES)
    for count in (1, 2, 4):
        np.testing.assert_allclose(exported.scores(clip, BOXES[:count].numpy()), want[:count],
                                   rtol=1e-3, atol=1e-5)
    with pytest.raises(ValueError, match='must be given boxes'):
        exported.scores(clip)


def test_another_extractor_is_refused(ava):
    _, model = ava
    model.roi_head.bbox_roi_extractor.with_temporal_pool = False
    try:
        with pytest.raises(ValueError, match='must be a RoIAlign of averages over time'):
            BoxScores(model, (40, 56))
    finally:
        model.roi_head.bbox_roi_extractor.with_temporal_pool = True
