"""Against the outputs of mmcv 2.1.0's compiled operators on CPU."""
from itertools import product
from pathlib import Path

import mmcv.ops
import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks
from torch import Tensor
from torchvision.extension import _has_ops

from amd_mm.compat import mmcv_ops

GOLDEN = {name: torch.from_numpy(value) for name, value in
          np.load(Path(__file__).parents[1] / 'data' / 'mmcv_ops.npz').items()}
THRESHOLDS = (0.3, 0.5, 0.7)


@pytest.fixture(params=['as installed', 'plain torch'], autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    operators = _has_ops() and request.param == 'as installed'
    monkeypatch.setattr(mmcv_ops, '_torchvision_operators', lambda: operators)


@pytest.mark.parametrize('size, ratio, aligned',
                         product([(7, 7), (8, 8), (3, 5)], [0, 2], [False, True]), ids=str)
def test_roi_align(size: tuple[int, int], ratio: int, aligned: bool) -> None:
    case = f'roi_align.{size[0]}x{size[1]}.ratio{ratio}.aligned{int(aligned)}.'
    features = GOLDEN['roi_align.input'].clone().requires_grad_()
    pooled = mmcv.ops.RoIAlign(size, 1 / 16, ratio, 'avg', aligned)(
        features, GOLDEN['roi_align.rois'])
    torch.testing.assert_close(pooled, GOLDEN[case + 'output'], rtol=1e-5, atol=1e-5)
    pooled.square().sum().backward()
    expected = GOLDEN[case + 'grad_of_sum_of_squares']
    scale = expected.abs().max().item()
    torch.testing.assert_close(features.grad / scale, expected / scale, rtol=0, atol=1e-4)


def test_roi_align_of_no_region() -> None:
    pooled = mmcv.ops.RoIAlign(3)(torch.ones(2, 4, 5, 5), torch.zeros(0, 5))
    assert pooled.shape == (0, 4, 3, 3)


@pytest.mark.parametrize('threshold', THRESHOLDS)
def test_nms(threshold: float) -> None:
    boxes, scores = GOLDEN['nms.boxes'], GOLDEN['nms.scores']
    detections, kept = mmcv.ops.nms(boxes, scores, threshold)
    assert torch.equal(kept, GOLDEN[f'nms.{threshold}.keep'])
    assert torch.equal(detections, torch.cat([boxes[kept], scores[kept, None]], dim=1))


@pytest.mark.parametrize('threshold', THRESHOLDS)
def test_batched_nms(threshold: float) -> None:
    _, kept = mmcv.ops.batched_nms(GOLDEN['nms.boxes'], GOLDEN['nms.scores'], GOLDEN['nms.ids'],
                                   dict(type='nms', iou_threshold=threshold))
    assert torch.equal(kept, GOLDEN[f'batched_nms.{threshold}.keep'])


def slow_nms(boxes: list[list[int]], order: list[int], threshold: float, offset: int) -> list[int]:
    def area(x1: int, y1: int, x2: int, y2: int) -> int:
        return max(x2 - x1 + offset, 0) * max(y2 - y1 + offset, 0)

    def overlap(one: list[int], two: list[int]) -> float:
        inner = area(*map(max, one[:2], two[:2]), *map(min, one[2:], two[2:]))
        return inner / (area(*one) + area(*two) - inner)

    kept: list[int] = []
    for index in order:
        if all(overlap(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


@pytest.mark.parametrize('offset', [0, 1])
def test_nms_where_the_second_corner_is_the_last_pixel(offset: int) -> None:
    generator = torch.Generator().manual_seed(0)
    corners = torch.randint(0, 10, (40, 2), generator=generator)
    boxes = torch.cat([corners, corners + torch.randint(1, 6, (40, 2), generator=generator)], 1)
    order = torch.randperm(40, generator=generator)
    scores = torch.empty(40)
    scores[order] = torch.linspace(1, 0.1, 40)
    _, kept = mmcv.ops.nms(boxes.float(), scores, 0.4, offset=offset)
    assert kept.tolist() == slow_nms(boxes.tolist(), order.tolist(), 0.4, offset)
    assert len(kept) < 40


def test_nms_of_no_box() -> None:
    kept: Tensor = mmcv.ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5)[1]
    assert kept.shape == (0, ) and kept.dtype == torch.int64


def test_masks_of_regions_are_cut_out_as_the_compiled_operator_does() -> None:
    """mmdet's BitmapMasks go through RoIAlign: the part of each cell that a mask covers."""
    masks = np.zeros((2, 12, 16), np.uint8)
    masks[0, 2:8, 4:12] = 1
    masks[1, 5:12, 0:7] = 1
    cut = BitmapMasks(masks, 12, 16).crop_and_resize(
        torch.tensor([[4., 2., 12., 8.], [2., 4., 10., 12.], [2., 0., 10., 8.]]), (4, 4),
        torch.tensor([0, 1, 0]))
    expected = np.ones((3, 4, 4), np.uint8)
    # Cells of 2 x 2 pixels from (2, 4): columns up to 7, rows from 5, of which a half counts.
    expected[1, :, 3] = 0
    # From (2, 0): columns from 4, rows from 2.
    expected[2, 0] = expected[2, :, 0] = 0
    found = np.asarray(cut.masks)
    assert (found[[0, 2]] == expected[[0, 2]]).all()
    assert (found[1, 1:, :2] == 1).all() and (found[1, :, 3] == 0).all()
    # And every value is RoIAlign's, against one half.
    boxes = torch.rand(12, 2, generator=torch.Generator().manual_seed(0)) * 6
    boxes = torch.cat([boxes, boxes + 5], dim=1)
    whose = torch.arange(12) % 2
    values = mmcv.ops.roi_align(
        torch.from_numpy(masks).float()[:, None],
        torch.cat([whose[:, None].float(), boxes], dim=1), (7, 7), 1., 0, 'avg', True)
    cut = BitmapMasks(masks, 12, 16).crop_and_resize(boxes, (7, 7), whose)
    assert (np.asarray(cut.masks) == (values.squeeze(1) >= .5).numpy()).all()
    assert 0 < np.asarray(cut.masks).mean() < 1
