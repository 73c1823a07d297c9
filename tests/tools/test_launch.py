import os
import socket
from pathlib import Path

import pytest
from runs import command

TOOLS = Path(__file__).parents[2] / 'tools'


def launched(tmp_path: Path, program: str, *arguments: str, **environment: str) -> list[str]:
    """The arguments that a script gives to ``program``, which is replaced."""
    fake = tmp_path / program
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    found = command('env', f'PATH={tmp_path}{os.pathsep}{os.environ["PATH"]}', 'bash', *arguments,
                    **environment)
    return found.splitlines()


def test_one_machine(tmp_path):
    assert launched(tmp_path, 'python', TOOLS / 'dist_train.sh', 'a b.py', '4', '--resume') == [
        str(TOOLS / '_torchrun.py'), '--standalone', '--nproc-per-node=4',
        str(TOOLS / 'train.py'), 'a b.py', '--resume', '--launcher', 'pytorch']


def test_several_machines(tmp_path):
    found = launched(tmp_path, 'python', TOOLS / 'dist_test.sh', 'c.py', 'c.pth', '8',
                     NNODES='2', NODE_RANK='1', MASTER_ADDR='node0', PORT='1234')
    assert found == [
        str(TOOLS / '_torchrun.py'), '--nnodes=2', '--node-rank=1', '--master-addr=node0',
        '--master-port=1234', '--nproc-per-node=8', str(TOOLS / 'test.py'), 'c.py', 'c.pth',
        '--launcher', 'pytorch']


def test_a_changing_number_of_machines_and_restarts(tmp_path):
    found = launched(tmp_path, 'python', TOOLS / 'dist_train.sh', 'c.py', '8',
                     NNODES='1:4', MASTER_ADDR='node0', RESTARTS='3')
    assert found == [
        str(TOOLS / '_torchrun.py'), '--nnodes=1:4', '--rdzv-backend=c10d', '--rdzv-id=amd_mm',
        '--rdzv-endpoint=node0:29500', '--max-restarts=3', '--nproc-per-node=8',
        str(TOOLS / 'train.py'), 'c.py', '--resume', '--launcher', 'pytorch']


def test_several_machines_need_an_address(tmp_path):
    with pytest.raises(RuntimeError, match='MASTER_ADDR: is needed with NNODES > 1'):
        launched(tmp_path, 'python', TOOLS / 'dist_train.sh', 'c.py', '8',
                 NNODES='2', NODE_RANK='1')


@pytest.mark.parametrize('script, arguments, python', [
    ('slurm_train.sh', ['c.py', '--amp'], ['train.py', 'c.py', '--amp']),
    ('slurm_test.sh', ['c.py', 'c.pth'], ['test.py', 'c.py', 'c.pth'])])
def test_slurm(tmp_path, script, arguments, python):
    found = launched(tmp_path, 'srun', TOOLS / script, 'gpu', 'job', *arguments,
                     GPUS='16', SRUN_ARGS='--time=10 --mem=0')
    signal = ['--signal=USR1@120'] if 'train' in script else []
    assert found == [
        '--partition=gpu', '--job-name=job', '--ntasks=16', '--ntasks-per-node=8',
        '--gres=gpu:8', '--cpus-per-task=8', *signal, '--kill-on-bad-exit=1', '--time=10',
        '--mem=0',
        'python', '-u', str(TOOLS / python[0]), *python[1:], '--launcher', 'slurm']


def torchrun(port: int, node: int) -> str:
    """What a machine of two prints that meets nobody within a second."""
    with pytest.raises(RuntimeError) as caught:
        command('python', TOOLS / '_torchrun.py', '--nnodes=2', f'--node-rank={node}',
                '--master-addr=127.0.0.1', f'--master-port={port}', 'none.py', MEETING_SECONDS='1')
    return str(caught.value)


def test_a_machine_that_does_not_come_is_named():
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    assert (f'error: all 2 nodes of a run must meet within 1 s, but node 0 on '
            f'{socket.gethostname()} waited in vain at 127.0.0.1:{port}: node 1 has not come'
            ) in torchrun(port, 0)


def test_a_port_of_another_program_is_named():
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        assert f'error: the port {port} of {socket.gethostname()} must be free' in torchrun(port, 0)


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh',
                                    'slurm_test.sh'])
def test_too_few_arguments(script):
    with pytest.raises(RuntimeError, match=f'usage: .*{script}'):
        command('bash', TOOLS / script, 'c.py')
