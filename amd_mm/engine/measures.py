"""Measures that say something of the classes at hand."""
from collections.abc import Iterator

from mmengine.config import Config

from amd_mm.datasets.labels import dicts

_ACCURACY = 'top_k_accuracy'  # as mmaction2's AccMetric calls it
_DEFAULT = (1, 5)  # of mmaction2's metric and of its heads


def num_classes_of(cfg: Config) -> int | None:
    """How many classes the classifier of a config tells apart; None: it has none, or does not say.

    Args:
        cfg: With the head of mmpretrain's classifiers or of mmaction2's recognizers.
    """
    model = cfg.get('model') or {}
    for name in ('head', 'cls_head'):
        head = model.get(name)
        if isinstance(head, dict) and isinstance(head.get('num_classes'), int):
            return head['num_classes']
    return None


def settle_topk(cfg: Config, num_classes: int | None) -> None:
    """Leave out, in place, the accuracies that are 1 whatever is predicted.

    Of two classes the right one is among the best five of any scores.

    Args:
        cfg: Its evaluators, and what a head of mmaction2 logs while it trains.
        num_classes: Those with ``k`` of at least so many go, but for ``k=1``; None changes nothing.
    """
    if num_classes is None:
        return
    for part, keys in _places(cfg):
        *outer, last = keys
        holder = part
        for key in outer:
            holder = holder.get(key, {})
        topk = holder.get(last, _DEFAULT)
        listed = (topk, ) if isinstance(topk, int) else tuple(topk)
        kept = tuple(k for k in listed if k < num_classes or k == 1)
        if kept and kept != listed:
            for key in outer:
                part[key] = part.get(key, {})  # a config keeps a copy of what it is given
                part = part[key]
            part[last] = kept


def _places(cfg: Config) -> Iterator[tuple[dict, tuple[str, ...]]]:
    """What has numbers of best classes, or has the hosts' own: in which part, by which keys."""
    for part in ('val', 'test'):
        for metric in dicts(cfg.get(f'{part}_evaluator')):
            kind = str(metric.get('type')).rpartition('.')[2]
            if kind == 'Accuracy' and 'topk' in metric:
                yield metric, ('topk', )
            elif kind == 'AccMetric' and _measures_topk(metric):
                yield metric, ('metric_options', _ACCURACY, 'topk')
    head = (cfg.get('model') or {}).get('cls_head')
    if isinstance(head, dict) and not head.get('multi_class'):
        yield head, ('topk', )


def _measures_topk(metric: dict) -> bool:
    listed = metric.get('metric_list', _ACCURACY)
    return _ACCURACY in ([listed] if isinstance(listed, str) else listed)
