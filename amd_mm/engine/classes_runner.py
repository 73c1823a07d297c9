"""Training on data whose classes the config does not know."""
from __future__ import annotations

import copy

from mmengine.config import Config
from mmengine.runner import Runner

from amd_mm.datasets.labels import fill_classes
from amd_mm.registry import RUNNERS


@RUNNERS.register_module()
class ClassesFromDataRunner(Runner):
    """MMEngine's runner for one's own data: counts the classes and checks labels first.

    A config asks for it by ``runner_type='amd_mm.ClassesFromDataRunner'`` and says
    ``num_classes=None`` wherever the number belongs; see :func:`fill_classes`. The commands of
    this package and of the hosts heed ``runner_type``.
    """

    @classmethod
    def from_cfg(cls, cfg: Config) -> ClassesFromDataRunner:
        """Fill in the classes, check every label, and build.

        Raises:
            ValueError: If a label does not fit its class list, a file is missing, or a class
                has no training sample.
        """
        cfg = copy.deepcopy(cfg)
        fill_classes(cfg)
        return super().from_cfg(cfg)
