import sys

import numpy as np
import pytest


def test_names_mean_what_they_meant() -> None:
    assert np.Inf == float('inf') and np.isnan(np.NAN) and np.float is float
    assert np.trapz([1., 2., 4.], [0., 1., 3.]) == 1.5 + 6.
    left, right = np.array([[1, 2], [5, 2]]), [2, 3]
    assert np.in1d(left, right).tolist() == [False, True, False, True]
    assert np.in1d(left, right, invert=True).tolist() == [True, False, True, False]


def test_recall_metric_of_mmpretrain() -> None:
    from mmpretrain.evaluation import RetrievalRecall
    scores = np.array([[.1, .2, .7], [.1, .6, .3], [.8, .1, .1]])
    recall, = RetrievalRecall.calculate(scores, [[2], [0], [0]], topk=1, target_indices=True)
    assert recall.item() == pytest.approx(200 / 3)


def test_proposal_metric_of_mmaction() -> None:
    from mmaction.evaluation import average_recall_at_avg_proposals
    *_, area = average_recall_at_avg_proposals(
        {'video': np.array([[0., 10.]])}, {'video': np.array([[0., 10., .9]])}, 1,
        max_avg_proposals=1, temporal_iou_thresholds=np.array([.5]))
    assert area == pytest.approx(0.5, abs=0.01)  # found once half a proposal is allowed


def test_ava_average_precision_of_an_absent_class() -> None:
    from mmaction.evaluation.functional.ava_evaluation.metrics import compute_average_precision
    assert np.isnan(compute_average_precision(None, None))


def test_overlap_of_tubes() -> None:
    from mmaction.evaluation.functional.multisports_utils import iou3dt_voc
    tube = np.array([[frame, 0., 0., 9., 9.] for frame in range(4)])
    assert iou3dt_voc(tube, tube) == pytest.approx(1.)
    assert iou3dt_voc(tube, tube[2:]) == pytest.approx(1 / 3)  # 1 of 3 steps in time


def test_trying_imgaug_leaves_numpy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmaction.datasets.transforms import ImgAug
    monkeypatch.setitem(sys.modules, 'imgaug', None)
    monkeypatch.setitem(sys.modules, 'imgaug.augmenters', None)
    with pytest.raises(ImportError):
        ImgAug(transforms='default')
    assert np.bool is np.bool_
