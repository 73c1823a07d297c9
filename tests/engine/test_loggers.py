import json
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from runs import run, toy_config

from amd_mm.engine import build_training_runner
from amd_mm.engine.loggers import settle_loggers

LOCAL = dict(type='LocalVisBackend')


@pytest.mark.parametrize('backends, loggers, types', [
    ([LOCAL], [], ['LocalVisBackend']),
    ([LOCAL], 'tensorboard', ['LocalVisBackend', 'TensorboardVisBackend']),
    ([LOCAL], ['wandb', 'mlflow'], ['LocalVisBackend', 'WandbVisBackend', 'MLflowVisBackend']),
    # What users of MMEngine write.
    ([dict(type='TensorboardVisBackend')], [], ['TensorboardVisBackend', 'LocalVisBackend']),
    ([dict(type='mmengine.LocalVisBackend')], [], ['mmengine.LocalVisBackend']),
    ([], [], []),
])
def test_loggers_are_added_and_the_record_stays(backends, loggers, types):
    cfg = Config(dict(visualizer=dict(type='Visualizer', vis_backends=backends), loggers=loggers,
                      work_dir='out/my_run'))
    for _ in range(2):  # a config from a work dir is settled already
        settle_loggers(cfg)
        assert [backend.type for backend in cfg.visualizer.vis_backends] == types


def test_a_config_without_a_visualizer_gets_one():
    cfg = Config(dict(loggers='tensorboard'))
    settle_loggers(cfg)
    assert [backend.type for backend in cfg.visualizer.vis_backends] == [
        'LocalVisBackend', 'TensorboardVisBackend']


def test_a_run_is_called_as_its_work_dir_in_a_project_of_ours(monkeypatch):
    for name in ('WANDB_PROJECT', 'MLFLOW_TRACKING_URI', 'MLFLOW_EXPERIMENT_NAME'):
        monkeypatch.delenv(name, raising=False)
    cfg = Config(dict(loggers=['wandb', 'mlflow'], work_dir='out/my_run'))
    settle_loggers(cfg)
    _, wandb, mlflow = cfg.visualizer.vis_backends
    assert wandb.init_kwargs == dict(project='amd_mm', name='my_run')
    assert (mlflow.run_name, mlflow.exp_name) == ('my_run', 'amd_mm')
    assert mlflow.tracking_uri == f'sqlite:///{Path("out/my_run/mlflow.db").absolute()}'
    monkeypatch.setenv('MLFLOW_TRACKING_URI', 'http://server')
    cfg.visualizer = None
    settle_loggers(cfg)
    assert cfg.visualizer.vis_backends[-1].tracking_uri == 'http://server'


def losses(folder: Path) -> list[float]:
    """Of the run's own record."""
    lines = next(folder.glob('*/vis_data/scalars.json')).read_text().splitlines()
    return [json.loads(line)['loss'] for line in lines]


def test_tensorboard_has_the_numbers_of_the_record(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    cfg = toy_config(tmp_path, size=4, max_epochs=2)
    cfg.loggers = 'tensorboard'
    run(cfg)
    events = EventAccumulator(str(next(tmp_path.glob('*/vis_data'))))
    events.Reload()
    values = [event.value for event in events.Scalars('loss')]
    assert len(values) == 4 and values == pytest.approx(losses(tmp_path), rel=1e-5)


def test_mlflow_has_the_numbers_of_the_record(tmp_path):
    mlflow = pytest.importorskip('mlflow')
    cfg = toy_config(tmp_path / 'my_run', size=4, max_epochs=2)
    cfg.loggers = 'mlflow'
    run(cfg)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name('amd_mm')
    found, = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == 'my_run'
    values = [metric.value for metric in client.get_metric_history(found.info.run_id, 'loss')]
    assert values == pytest.approx(losses(tmp_path / 'my_run'), rel=1e-5)


def test_weights_and_biases_has_the_run(tmp_path, monkeypatch):
    pytest.importorskip('wandb')
    cfg = toy_config(tmp_path, size=4, max_epochs=2)
    cfg.loggers = 'wandb'
    cfg.dump(tmp_path / 'run.py')
    monkeypatch.setenv('WANDB_MODE', 'offline')
    helper = Path(__file__).parents[1] / 'helpers/run_config.py'
    # A process of its own: the service that writes the file ends with it.
    subprocess.run([sys.executable, helper, tmp_path / 'run.py'], check=True, cwd=tmp_path)
    written, = tmp_path.glob('*/vis_data/wandb/offline-run-*/run-*.wandb')
    assert b'grad_norm' in written.read_bytes()
    assert len(losses(tmp_path)) == 4


@pytest.mark.parametrize('logger', ['tensorboard', 'wandb', 'mlflow'])
def test_a_missing_logger_is_said_before_anything_is_built(tmp_path, monkeypatch, logger):
    cfg = toy_config(tmp_path)
    cfg.loggers = [logger]
    monkeypatch.setattr('importlib.util.find_spec', lambda name, package=None: None)
    with pytest.raises(ModuleNotFoundError) as error:
        build_training_runner(cfg)
    assert error.value.name == logger
    assert not list(tmp_path.glob('*/*.log'))
