import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from amd_mm.meeting import Meeting, Place, Unmet, interfaces, require_reach

HOST = socket.gethostname()
ME = f'on {HOST} (process {os.getpid()})'


@pytest.fixture
def outcomes():
    """What each of two ranks raises, or None."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]

    def both(backend: str = 'gloo') -> list:
        def one(rank: int) -> Exception | None:
            meeting = Meeting(Place('127.0.0.1', port, rank, 2, serves=rank == 0), 20)
            meetings.append(meeting)
            try:
                require_reach(meeting, backend)
            except Exception as error:
                return error
            return None
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(one, range(2)))

    meetings: list[Meeting] = []  # the first one's store has to stay
    return both


def test_all_reach_each_other(outcomes, monkeypatch):
    monkeypatch.setenv('GLOO_SOCKET_IFNAME', 'lo')
    assert outcomes() == [None, None]


@pytest.mark.parametrize('backend, variable', [
    ('gloo', 'GLOO_SOCKET_IFNAME'), ('cpu:gloo,cuda:nccl', 'GLOO_SOCKET_IFNAME'),
    ('nccl', 'NCCL_SOCKET_IFNAME')])
def test_an_interface_that_is_not_there_is_named_to_all(outcomes, monkeypatch, backend, variable):
    monkeypatch.setenv(variable, 'nope')
    for error in outcomes(backend):
        assert isinstance(error, ValueError)
        for rank in range(2):
            assert f"rank {rank} {ME}: {variable} is 'nope', and there are lo" in str(error)


def test_who_cannot_be_reached_is_named_to_all(outcomes, monkeypatch):
    class Closed(socket.socket):
        """Says where it would listen, and does not."""

        def getsockname(self) -> tuple[str, int]:
            return '127.0.0.1', 9

    monkeypatch.setattr(interfaces, '_listen', lambda backend: Closed())
    for error in outcomes():
        assert isinstance(error, Unmet)
        assert (f'rank 1 {ME}: does not reach rank 0 {ME} at 127.0.0.1 (Connection refused)'
                in str(error))
        assert 'GLOO_SOCKET_IFNAME' in str(error)


def test_another_program_that_answers_is_not_taken_for_the_rank(outcomes, monkeypatch):
    answer = interfaces._answer
    monkeypatch.setattr(interfaces, '_answer', lambda listener, token: answer(listener, 'other'))
    assert all('(another program answers)' in str(error) for error in outcomes())


@pytest.mark.parametrize('wanted, found', [
    ('=lo', 'lo'), ('lo', 'lo'), ('l,nope', 'lo'), ('^docker', None)])
def test_names_as_nccl_reads_them(wanted, found):
    assert interfaces._interface('nccl', wanted) == found


def test_unknown_backends_are_left_alone(outcomes):
    assert outcomes('mpi') == [None, None]


def test_the_address_of_an_interface():
    assert interfaces._address_of('lo') == '127.0.0.1'
    assert interfaces._address_of('nope') is None
