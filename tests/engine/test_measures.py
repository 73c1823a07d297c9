import pytest
from mmengine.config import Config

from amd_mm.engine.measures import num_classes_of, settle_topk

PICTURES = dict(type='mmpretrain.Accuracy', topk=(1, 5))
CLIPS = dict(type='mmaction.AccMetric')


@pytest.mark.parametrize('count, kept', [
    (None, (1, 5)), (1, (1, )), (2, (1, )), (5, (1, )), (6, (1, 5)), (400, (1, 5))])
def test_of_few_classes_the_best_five_are_all(count, kept):
    cfg = Config(dict(
        model=dict(cls_head=dict(topk=(1, 5))),
        val_evaluator=dict(PICTURES), test_evaluator=[dict(CLIPS), dict(type='ConfusionMatrix')]))
    settle_topk(cfg, count)
    assert cfg.val_evaluator.topk == kept
    options = cfg.test_evaluator[0].get('metric_options', {}).get('top_k_accuracy', {})
    assert options.get('topk', (1, 5)) == kept
    assert cfg.model.cls_head.topk == kept
    assert (kept == (1, 5)) == (cfg.test_evaluator[0] == CLIPS)
    assert cfg.test_evaluator[1] == dict(type='ConfusionMatrix')


def test_what_measures_nothing_of_the_kind_stays():
    metric = dict(type='mmaction.AccMetric', metric_list='mean_average_precision')
    cfg = Config(dict(model=dict(head=dict(topk=3), cls_head=dict(multi_class=True)),
                      val_evaluator=dict(type='mmpretrain.Accuracy', topk=5),
                      test_evaluator=dict(metric)))
    settle_topk(cfg, 2)
    # A lone accuracy of five is left: a run without a measure would puzzle more.
    assert cfg.val_evaluator.topk == 5 and cfg.test_evaluator == metric
    assert cfg.model.cls_head == dict(multi_class=True)


def test_where_the_number_of_classes_stands():
    for model, count in (
            (dict(head=dict(num_classes=3)), 3), (dict(cls_head=dict(num_classes=7)), 7),
            (dict(head=dict(num_classes=None)), None), (dict(head=dict(type='PixelHead')), None),
            (dict(decode_head=dict(num_classes=3)), None)):
        assert num_classes_of(Config(dict(model=model))) == count
