"""What a classifier predicts of a validation, gathered as it goes."""
import heapq
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_gather_object
from torch import Tensor

from amd_mm.report.gathering.samples import Samples, keep_samples


class Predictions:
    """Labels and answers of a validation, and the surest of the wrong ones as pictures.

    Args:
        num_mistakes: How many pictures are kept.
    """

    def __init__(self, num_mistakes: int) -> None:
        self.num_mistakes = num_mistakes
        self.pairs: Counter[tuple[int, int]] = Counter()
        self._mistakes: list[tuple[float, int, dict[str, Any], Samples]] = []
        self._seen = 0

    def add(self, data_batch: dict, outputs: Sequence[Any]) -> None:
        """Count a batch; nothing happens where its samples have not one label each.

        Args:
            data_batch: As hooks get it.
            outputs: Data samples with scores, as classifiers and recognisers return them.
        """
        for place, sample in enumerate(outputs):
            label, scores = _label(sample), getattr(sample, 'pred_score', None)
            if label is None or not isinstance(scores, Tensor) or scores.dim() != 1:
                continue
            answer, score = int(scores.argmax()), float(scores.max())
            self.pairs[label, answer] += 1
            self._seen += 1
            if answer == label or not self.num_mistakes:
                continue
            if len(self._mistakes) == self.num_mistakes and score <= self._mistakes[0][0]:
                continue
            one = dict(inputs=data_batch['inputs'][place:place + 1], data_samples=[sample])
            facts = dict(label=label, answer=answer, score=score, name=_name(sample))
            entry = (score, -self._seen, facts, keep_samples(one, 1))
            if len(self._mistakes) < self.num_mistakes:
                heapq.heappush(self._mistakes, entry)
            else:
                heapq.heapreplace(self._mistakes, entry)

    def all_pairs(self) -> Counter[tuple[int, int]]:
        """Counts by label and answer over all processes; to be called by all of them."""
        return sum(all_gather_object(self.pairs), Counter())

    def mistakes(self) -> list[tuple[dict[str, Any], Samples]]:
        """Of this process, the surest first: label, answer, score and name, and the sample."""
        return [(facts, samples) for _, _, facts, samples
                in sorted(self._mistakes, key=lambda one: one[:2], reverse=True)]


def _label(sample: Any) -> int | None:
    label = getattr(sample, 'gt_label', None)
    if not isinstance(label, Tensor) or label.numel() != 1 or torch.is_floating_point(label):
        return None
    return int(label)


def _name(sample: Any) -> str:
    found = sample.metainfo if hasattr(sample, 'metainfo') else {}
    return str(found.get('img_path') or found.get('filename') or '')
