"""Losses of pre-training on samples that are not trained on."""
import copy
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.evaluator import BaseMetric

from amd_mm.registry import METRICS
from amd_mm.values import one_of, takes

# The same samples, crops and masks at every evaluation, whatever the seed of the run.
_SAMPLER = dict(type='amd_mm.EpochSampler', shuffle=False, seed=0)
_EVALUATOR = dict(type='amd_mm.HeldOutLoss')


def settle_held_out(cfg: Config) -> None:
    """Give a config that says ``held_out_data`` its validation: the losses of pre-training on that.

    Changes the config in place; one without ``held_out_data`` stays as it is. The data is loaded as
    in training, with the same pipelines and repeats, but keys that never change.

    Args:
        cfg: ``held_out_data`` holds what is another in the data set than in training, such as
            ``dict(ann_file='held_out.txt')``.

    Raises:
        ValueError: If the config has a validation of its own, or no data set to train on.
    """
    changes = cfg.get('held_out_data')
    if changes is None:
        return
    if not isinstance(changes, dict) or not changes or cfg.get('train_dataloader') is None:
        raise ValueError(
            'held_out_data must say what its data set has in place of the one in train_dataloader, '
            f'got {changes!r}; write for instance held_out_data=dict(ann_file=FILE)')
    settled: dict[str, Any] = dict(
        val_dataloader=_with_data(cfg.train_dataloader, changes), val_cfg=dict(),
        val_evaluator=_EVALUATOR)
    for name, value in settled.items():
        # A config that a run has left in its work dir is settled already.
        if cfg.get(name) not in (None, value):
            raise ValueError(
                f'a config with held_out_data must have no {name} of its own, got {cfg[name]!r}; '
                'remove one of them')
    cfg.merge_from_dict(copy.deepcopy(settled))


def require_held_out(cfg: Config) -> None:
    """Raise a ValueError where pre-training would be validated by anything but its losses."""
    evaluators = cfg.get('val_evaluator') or []
    evaluators = [evaluators] if isinstance(evaluators, dict) else evaluators
    others = [one['type'] for one in evaluators if one['type'] != _EVALUATOR['type']]
    if others:
        raise ValueError(
            'pre-training must be validated by amd_mm.HeldOutLoss, it has no labels, got '
            f'{", ".join(map(str, others))} in val_evaluator; set val_dataloader=None val_cfg=None '
            'val_evaluator=None, and held_out_data=dict(ann_file=FILE) for losses on other data')


def _with_data(train_dataloader: dict, changes: dict) -> dict:
    dataloader = copy.deepcopy(dict(train_dataloader))
    dataloader['sampler'] = _SAMPLER
    innermost = dataloader
    while 'dataset' in innermost:
        innermost = innermost['dataset']
    innermost.update(copy.deepcopy(changes))
    return dataloader


@METRICS.register_module()
class HeldOutLoss(BaseMetric):
    """The mean of each loss of pre-training over a held-out data set, and their sum ``loss``.

    Lower is better: ``CheckpointHook(save_best='held_out/loss', rule='less')``,
    ``EarlyStoppingHook(monitor='held_out/loss', rule='less')``.

    Args:
        collect_device: Where the processes' results meet, ``'cpu'`` or ``'gpu'``.
    """

    default_prefix = 'held_out'

    @takes(collect_device=one_of('cpu', 'gpu'))
    def __init__(self, collect_device: str = 'cpu') -> None:
        super().__init__(collect_device)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Take what :meth:`amd_mm.models.algorithms.MaskedPretraining.predict` returns."""
        self.results.extend(data_samples)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average over samples, however many a batch holds.

        Args:
            results: ``dict(samples=..., losses=dict(...))`` each.
        """
        samples = sum(result['samples'] for result in results)
        means = {
            name: sum(result['losses'][name] * result['samples'] for result in results) / samples
            for name in results[0]['losses']}
        return dict(loss=sum(means.values()), **means)
