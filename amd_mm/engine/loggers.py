"""Loggers of other makers, beside the run's own record."""
import os
from pathlib import Path
from typing import Any

from mmengine.config import Config

_LOCAL = 'LocalVisBackend'


def settle_loggers(cfg: Config) -> None:
    """Add to the visualizer what ``loggers`` names, in place; ``scalars.json`` is always written.

    A config that names backends of the visualizer itself may leave out ``LocalVisBackend``, which
    writes that file; it is added then, too. Only an empty list, without ``loggers``, keeps no
    record.

    Args:
        cfg: ``loggers`` is one of ``'tensorboard'``, ``'wandb'`` and ``'mlflow'``, or a list of
            them.
    """
    loggers = cfg.get('loggers') or []
    if cfg.get('visualizer') is None:
        cfg.visualizer = dict(type='Visualizer', vis_backends=[dict(type=_LOCAL)])
    backends = cfg.visualizer.get('vis_backends') or []
    if not backends and not loggers:
        return
    there = [str(backend['type']).rpartition('.')[2] for backend in backends]
    wanted = [dict(type=_LOCAL), *(_backend(name, cfg) for name in (
        [loggers] if isinstance(loggers, str) else loggers))]
    cfg.visualizer.vis_backends = [
        *backends, *(backend for backend in wanted if backend['type'] not in there)]


def _backend(name: str, cfg: Config) -> dict[str, Any]:
    """The config of a backend: a run is called as its work dir is.

    MLflow without a server: a data base in the work dir, as its newer versions ask for one; logs
    and configs, which lie there too, are not copied then. Weights & Biases draws over updates,
    not over the lines that it was given.
    """
    work_dir = Path(cfg.get('work_dir', 'work_dir')).absolute()
    if name == 'tensorboard':
        return dict(type='TensorboardVisBackend')
    if name == 'wandb':
        return dict(type='WandbVisBackend', init_kwargs=dict(
            project=os.environ.get('WANDB_PROJECT', 'amd_mm'), name=work_dir.name),
            define_metric_cfg=[dict(name='*', step_metric='iter')])
    server = os.environ.get('MLFLOW_TRACKING_URI')
    local = dict(artifact_location=(work_dir / 'mlartifacts').as_uri(), artifact_suffix=())
    return dict(
        type='MLflowVisBackend', run_name=work_dir.name,
        exp_name=os.environ.get('MLFLOW_EXPERIMENT_NAME', 'amd_mm'),
        tracking_uri=server or f'sqlite:///{work_dir / "mlflow.db"}', **({} if server else local))
