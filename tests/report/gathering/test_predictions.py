"""Counts and the surest mistakes."""
import torch
from mmengine.structures import BaseDataElement

from amd_mm.report.gathering.predictions import Predictions


def answered(label: int, scores: list[float], **names: str) -> BaseDataElement:
    return BaseDataElement(metainfo=names, gt_label=torch.tensor([label]),
                           pred_score=torch.tensor(scores))


def test_pairs_are_counted_and_the_surest_mistakes_kept():
    found = Predictions(num_mistakes=2)
    outputs = [answered(0, [.9, .1]), answered(0, [.4, .6], img_path='a.png'),
               answered(1, [.7, .3]), answered(1, [.8, .2], filename='b.mp4')]
    inputs = torch.arange(4.).reshape(4, 1, 1, 1)
    found.add(dict(inputs=inputs), outputs)
    found.add(dict(inputs=inputs), [answered(0, [.2, .8], img_path='c.png')])
    assert found.all_pairs() == {(0, 0): 1, (0, 1): 2, (1, 0): 2}
    mistakes = found.mistakes()
    assert [(facts['name'], facts['label'], facts['answer']) for facts, _ in mistakes] == [
        ('b.mp4', 1, 0), ('c.png', 0, 1)]
    assert [kept.inputs.item() for _, kept in mistakes] == [3, 0]


def test_what_has_not_one_label_and_scores_is_no_classification():
    found = Predictions(num_mistakes=2)
    several = BaseDataElement(gt_label=torch.tensor([0, 1]), pred_score=torch.tensor([.5, .5]))
    found.add(dict(inputs=torch.zeros(3, 1)), [
        dict(samples=4, losses={}), several, BaseDataElement(gt_label=torch.tensor([1]))])
    assert found.all_pairs() == {} and found.mistakes() == []
