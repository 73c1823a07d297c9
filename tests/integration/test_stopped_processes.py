"""Several processes that are told to stop, started as users start them."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from processes import pid, wait_for
from runs import HELPERS, run_processes, toy_config, weights

import amd_mm
from amd_mm.stopping import STOPPED

ROOT = Path(amd_mm.__file__).parents[1]
TRAIN = ROOT / 'tools' / 'dist_train.sh'


def slow_config(work_dir: Path, size: int = 120) -> Config:
    """A run of some seconds, for two processes 0.2 s for four samples."""
    cfg = toy_config(work_dir, size=size, max_epochs=1, num_workers=1)
    cfg.log_level = 'INFO'
    cfg.custom_hooks.append(dict(type='SlowHook'))
    cfg.dump(work_dir / 'config.py')
    return cfg


def bash(*arguments: str | Path, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        ['bash', *map(str, arguments)],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        # A shell's background job ignores it, and its children with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env=dict(os.environ, OMP_NUM_THREADS='1',
                 PATH=f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}',
                 PYTHONPATH=f'{ROOT}{os.pathsep}{HELPERS}') | environment)


def launch(cfg: Config, *arguments: str, **environment: str) -> subprocess.Popen:
    """Two processes by ``dist_train.sh``, which is the process that is returned."""
    return bash(TRAIN, Path(cfg.work_dir, 'config.py'), '2', '--work-dir', cfg.work_dir,
                *arguments, **environment)


def of_run(work_dir: str) -> list[int]:
    """Processes with the work dir in their command line."""
    found = []
    for entry in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            if work_dir.encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


@pytest.mark.slow
@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1', 'SIGINT'])
def test_a_signal_to_the_launcher_stops_all_and_the_rest_is_the_same(tmp_path, name):
    whole, stopped = slow_config(tmp_path / 'whole'), slow_config(tmp_path / 'stopped')
    if name == 'SIGTERM':
        process = launch(whole)
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out
    process = launch(stopped)
    wait_for(stopped.work_dir, 0, 3)
    os.kill(process.pid, signal.Signals[name])
    out, _ = process.communicate(timeout=120)
    assert process.returncode == STOPPED, out
    assert f'stopped by {name} after iteration' in out
    assert 'Traceback' not in out
    assert of_run(stopped.work_dir) == []
    assert len(list(Path(stopped.work_dir).glob('iter_*.pth'))) == 1
    if name == 'SIGTERM':
        process = launch(stopped, '--resume')
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out
        torch.testing.assert_close(weights(stopped, 'epoch_1.pth'), weights(whole, 'epoch_1.pth'),
                                   rtol=0, atol=0)


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all(tmp_path):
    cfg = slow_config(tmp_path)
    process = launch(cfg, RESTARTS='1')
    wait_for(cfg.work_dir, 1, 3)
    os.kill(pid(cfg, 1), signal.SIGTERM)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == STOPPED, out
    assert 'stopped by SIGTERM after iteration' in out
    assert len(list(tmp_path.glob('iter_*.pth'))) == 1


@pytest.mark.slow
def test_a_killed_process_ends_the_run_and_is_named(tmp_path):
    cfg = slow_config(tmp_path)
    process = launch(cfg)
    wait_for(cfg.work_dir, 1, 3)
    os.kill(pid(cfg, 1), signal.SIGKILL)
    killed = time.monotonic()
    out, _ = process.communicate(timeout=120)
    assert time.monotonic() - killed < 60
    assert process.returncode == 1
    assert 'rank 1 was ended by SIGKILL, as happens when memory runs out' in out
    assert of_run(cfg.work_dir) == []


@pytest.mark.slow
def test_processes_are_started_again_from_the_newest_checkpoint(tmp_path):
    cfg = slow_config(tmp_path)
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=4, by_epoch=False)
    cfg.dump(tmp_path / 'config.py')
    process = launch(cfg, RESTARTS='1')
    wait_for(cfg.work_dir, 0, 6)
    os.kill(pid(cfg, 1), signal.SIGKILL)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    made = [json.loads(line)['iteration'] for line in
            (tmp_path / 'record_0.jsonl').read_text().splitlines()]
    # Once more from a checkpoint on, which is as the first time.
    again = next(place for place in range(1, len(made)) if made[place] <= made[place - 1])
    assert made[again] % 4 == 0 and made[again] > 0
    assert made == [*range(again), *range(made[again], 30)]
    lines = (tmp_path / 'record_0.jsonl').read_text().splitlines()
    assert lines[made[again]:again] == lines[again:again + again - made[again]]


# Made by tests/helpers/slurm.sh, which says how.
on_slurm = pytest.mark.skipif(
    'SLURM_CONF' not in os.environ or shutil.which('sbatch') is None,
    reason='no Slurm here: see tests/helpers/slurm.sh')


def slurm(cfg: Config, *arguments: str, **environment: str) -> subprocess.Popen:
    """Two tasks without a GPU."""
    return bash(TRAIN.with_name('slurm_train.sh'), 'test', 'job',
                Path(cfg.work_dir, 'config.py'), '--work-dir', cfg.work_dir, *arguments,
                **dict(GPUS='2', CPUS_PER_TASK='1', SRUN_ARGS='--gres=none') | environment)


@pytest.mark.slow
@on_slurm
def test_scancel_leaves_a_checkpoint(tmp_path):
    cfg = slow_config(tmp_path)
    process = slurm(cfg)
    wait_for(cfg.work_dir, 1, 3)
    subprocess.run(['scancel', '--name=job'], check=True)
    out, _ = process.communicate(timeout=120)
    assert 'stopped by SIGTERM after iteration' in out
    assert len(list(tmp_path.glob('iter_*.pth'))) == 1
    assert of_run(cfg.work_dir) == []


def until_completed(job: str, seconds: int) -> str:
    """What Slurm says of a job that is done, or that is not after so many seconds."""
    for _ in range(seconds):
        state = subprocess.run(['scontrol', 'show', 'job', job], text=True,
                               stdout=subprocess.PIPE, check=True).stdout
        if 'JobState=COMPLETED' in state:
            break
        time.sleep(1)
    return state


@pytest.mark.slow
@on_slurm
def test_a_batch_job_is_started_again_until_it_is_done(tmp_path):
    cfg = slow_config(tmp_path)
    output = tmp_path / 'job.out'
    out, _ = slurm(cfg, BATCH='1', OUTPUT=str(output)).communicate(timeout=60)
    job = out.split()[-1]
    wait_for(cfg.work_dir, 1, 3)
    # What Slurm sends before the time limit, whose unit is a minute.
    subprocess.run(['scancel', '--signal=USR1', job], check=True)
    state = until_completed(job, 300)
    text = output.read_text()
    assert 'JobState=COMPLETED' in state and 'Restarts=1' in state, text
    assert 'stopped by SIGUSR1 after iteration' in text
    assert (tmp_path / 'epoch_1.pth').exists()


@pytest.mark.slow
@on_slurm
def test_a_batch_job_goes_on_after_its_time_limit_as_if_there_were_none(tmp_path):
    # 700 updates of 0.2 s: longer than the limit of three minutes, shorter than twice.
    cfg = slow_config(tmp_path / 'limited', size=2800)
    output = tmp_path / 'job.out'
    out, _ = slurm(cfg, BATCH='1', OUTPUT=str(output), STOP_SECONDS='30',
                   SRUN_ARGS='--gres=none --time=3').communicate(timeout=60)
    state = until_completed(out.split()[-1], 900)
    text = output.read_text()
    assert 'JobState=COMPLETED' in state and 'TimeLimit=00:03:00' in state, text
    # Once, or twice on a busy machine.
    assert 'Restarts=0' not in state
    assert 'stopped by SIGUSR1 after iteration' in text
    whole = toy_config(tmp_path / 'whole', size=2800, max_epochs=1)
    run_processes(2, whole)
    torch.testing.assert_close(weights(cfg, 'epoch_1.pth'), weights(whole, 'epoch_1.pth'),
                               rtol=0, atol=0)
