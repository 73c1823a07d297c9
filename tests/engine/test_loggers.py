import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmengine.config import Config
from noise_runs import IMAGE, train
from runs import toy_config

from amd_mm.engine import build_training_runner
from amd_mm.engine.loggers import settle_loggers

HELPERS = Path(__file__).parents[1] / 'helpers'
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


def pre_train(folder: Path, logger: str) -> None:
    """Four updates, with strips after the second and the last."""
    cfg = Config(dict(loggers=logger, work_dir=str(folder)))
    settle_loggers(cfg)
    train(folder, hooks=[dict(type='amd_mm.ReportHook', max_share=1)],
          backends=cfg.visualizer.vis_backends, **IMAGE)
    assert 'Not shown' not in (folder / 'report/index.html').read_text()


def losses(folder: Path) -> list[float]:
    """Of the run's own record."""
    lines = next(folder.glob('*/vis_data/scalars.json')).read_text().splitlines()
    return [json.loads(line)['loss'] for line in lines]


def leveldb_records(content: bytes) -> Iterator[bytes]:
    """Of a log of LevelDB, as Weights & Biases writes it: blocks of 32 KiB, parts with heads."""
    place, parts = 7, []
    while place + 7 <= len(content):
        left = -place % 2**15
        if 0 < left < 7:
            place += left
            continue
        length, kind = struct.unpack('<4xHB', content[place:place + 7])
        place += 7
        parts.append(content[place:place + length])
        place += length
        if kind in (1, 4):  # whole, or the last part
            yield b''.join(parts)
            parts = []


def test_tensorboard_has_the_numbers_and_the_strips(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    pre_train(tmp_path, 'tensorboard')
    events = EventAccumulator(str(next(tmp_path.glob('*/vis_data'))))
    events.Reload()
    values = [event.value for event in events.Scalars('loss')]
    assert len(values) == 4 and values == pytest.approx(losses(tmp_path), rel=1e-5)
    assert [event.step for event in events.Images('reconstruction')] == [2, 4]


def test_mlflow_has_the_numbers_and_the_strips(tmp_path):
    mlflow = pytest.importorskip('mlflow')
    pre_train(tmp_path / 'my_run', 'mlflow')
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name('amd_mm')
    found, = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == 'my_run'
    values = [metric.value for metric in client.get_metric_history(found.info.run_id, 'loss')]
    assert values == pytest.approx(losses(tmp_path / 'my_run'), rel=1e-5)
    strips = [file.path for file in client.list_artifacts(found.info.run_id, 'reconstruction')]
    assert strips == ['reconstruction/00000002.png', 'reconstruction/00000004.png']
    # Nothing of the work dir is copied into a folder of the work dir.
    assert not list((tmp_path / 'my_run/mlartifacts').rglob('*.log'))


def test_weights_and_biases_has_the_numbers_and_the_strips(tmp_path, monkeypatch):
    pytest.importorskip('wandb')
    from wandb.proto.wandb_internal_pb2 import Record
    monkeypatch.setenv('WANDB_MODE', 'offline')
    # A process of its own: the service that writes the file ends with it.
    program = ('import sys\nfrom pathlib import Path\n'
               f'sys.path[:0] = {[str(Path(__file__).parent), str(HELPERS)]}\n'
               f'from test_loggers import pre_train\npre_train(Path({str(tmp_path)!r}), "wandb")')
    subprocess.run([sys.executable, '-c', program], check=True, cwd=tmp_path)
    written, = tmp_path.glob('*/vis_data/wandb/offline-run-*/run-*.wandb')
    values = {}
    for data in leveldb_records(written.read_bytes()):
        for item in Record.FromString(data).history.item:
            name = item.key or '.'.join(item.nested_key)
            values.setdefault(name, []).append(json.loads(item.value_json))
    assert values['loss'] == pytest.approx(losses(tmp_path), rel=1e-5)
    # A strip has the update of the numbers before it.
    assert values['iter'] == [1, 2, 2, 3, 4, 4]
    strips = values['reconstruction.path']
    assert len(strips) == 2
    assert all((written.parent / 'files' / strip).is_file() for strip in strips)


@pytest.mark.parametrize('logger', ['tensorboard', 'wandb', 'mlflow'])
def test_a_missing_logger_is_said_before_anything_is_built(tmp_path, monkeypatch, logger):
    cfg = toy_config(tmp_path)
    cfg.loggers = [logger]
    monkeypatch.setattr('importlib.util.find_spec', lambda name, package=None: None)
    with pytest.raises(ModuleNotFoundError) as error:
        build_training_runner(cfg)
    assert error.value.name == logger
    assert not list(tmp_path.glob('*/*.log'))
