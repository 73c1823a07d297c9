"""The option ``report`` of a config."""
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

_TYPE = 'amd_mm.ReportHook'


def settle_report(cfg: Config) -> None:
    """Give the hooks of a config what ``report`` says, in place.

    Args:
        cfg: ``report=False`` takes ``amd_mm.ReportHook`` away; ``report=dict(knn=FOLDER)`` sets
            its arguments, and adds it where it is not there; without ``report`` nothing changes.
            What is neither is refused later.
    """
    wanted: Any = cfg.get('report')
    if wanted is not False and not isinstance(wanted, Mapping):
        return
    hooks = list(cfg.get('custom_hooks') or ())
    before = next((hook for hook in hooks if hook.get('type') == _TYPE), dict(type=_TYPE))
    others = [hook for hook in hooks if hook.get('type') != _TYPE]
    cfg.custom_hooks = others if wanted is False else [*others, {**before, **wanted}]
