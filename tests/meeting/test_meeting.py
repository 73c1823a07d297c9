import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

import amd_mm.meeting.meeting as module
from amd_mm.meeting import CHECK, Meeting, Place, Unmet, begin, current

HOST = socket.gethostname()
ME = f'on {HOST} (process {os.getpid()})'


@pytest.fixture
def port() -> int:
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


def places(port: int, size: int, **kwargs) -> list[Place]:
    return [Place('127.0.0.1', port, rank, size, serves=rank == 0, **kwargs)
            for rank in range(size)]


def meet(*places: Place, seconds: float = 20.) -> list[Meeting | Exception]:
    """What becomes of processes that meet: threads here, each with its own connection."""
    def outcome(place: Place) -> Meeting | Exception:
        try:
            return Meeting(place, seconds)
        except (Unmet, ValueError) as error:
            return error
    with ThreadPoolExecutor(len(places)) as pool:
        return list(pool.map(outcome, places))


def test_all_know_each_other_and_share_texts(port):
    meetings = meet(*places(port, 3, run='7'))
    for meeting in meetings:
        assert meeting.names == [f'rank {rank} {ME}' for rank in range(3)]
    with ThreadPoolExecutor(3) as pool:
        shared = list(pool.map(lambda m: m.share('key', f'of {m.place.rank}'), meetings))
    assert shared == [['of 0', 'of 1', 'of 2']] * 3


def test_all_say_who_is_missing(port):
    found = meet(*places(port, 4)[:2], seconds=1.)
    assert [str(error) for error in found] == [
        f'all 4 ranks of a run must meet within 1 s, but rank {rank} on {HOST} waited in vain at '
        f'127.0.0.1:{port}: ranks 2, 3 have not come; see whether all were started and none has '
        f'failed, and {CHECK}' for rank in range(2)]
    assert {type(error) for error in found} == {Unmet}


def test_nobody_at_the_address(port):
    [error] = meet(places(port, 2, noun='node')[1], seconds=1.)
    assert str(error) == (
        f'all 2 nodes of a run must meet within 1 s, but node 1 on {HOST} waited for node 0 at '
        f'127.0.0.1:{port}, where nobody answers (Connection refused); see whether node 0 was '
        f'started, and {CHECK}')


def test_an_address_without_a_machine(port):
    [error] = meet(Place('nowhere.invalid', port, 1, 2), seconds=1.)
    assert 'waited for rank 0 at nowhere.invalid' in str(error)
    assert 'where nobody answers (' in str(error)


def test_waiting_is_said_once(port, monkeypatch, capsys):
    monkeypatch.setattr(module, '_PATIENCE', .1)
    meet(places(port, 2)[0], seconds=1.)
    assert capsys.readouterr().err == f'rank 0 on {HOST} waits for rank 1, 1 s at most\n'


def test_a_taken_port_is_refused_to_who_opens_it_and_who_comes():
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        first, second = meet(*places(port, 2), seconds=1.)
    assert isinstance(first, ValueError)
    assert str(first).startswith(
        f'the port {port} of {HOST} must be free for this run to meet at, but another program')
    # Torch's store waits for ever for a program that says nothing.
    assert isinstance(second, Unmet)
    assert f'rank 1 on {HOST} found something at 127.0.0.1:{port} that is not its run' in str(
        second)


def test_one_place_is_taken_once(port):
    first, second = places(port, 2)
    found = meet(first, second, second._replace(run='another'), seconds=3.)
    # Whoever is there first; the first one then finds another run's, or its own.
    assert sum(str(outcome).startswith(
        f'each rank of a run must be there once, but rank 1 at 127.0.0.1:{port} is already process '
        f'{os.getpid()} on {HOST}, and now process') for outcome in found) == 1


def test_two_runs_do_not_become_one(port):
    first, second = places(port, 2, run='12')
    for error in meet(first, second._replace(run='13')):
        assert str(error) == (
            f"all that meet at 127.0.0.1:{port} must be of one run, but rank 1 {ME} is of run '13',"
            f" rank 0 {ME} of '12'; give each run a port of its own (PORT, or MASTER_PORT with "
            'Slurm)')


def test_processes_that_start_again_do_not_meet_those_before(port):
    held = meet(*places(port, 2))
    again = meet(*places(port, 2, round='1'))
    assert [type(outcome) for outcome in (*held, *again)] == [Meeting] * 4


def test_what_the_others_have_seen(port, monkeypatch):
    monkeypatch.setattr(module, '_REPORTS', .5)
    meetings = meet(*places(port, 3))
    meetings[1].report('its disk is full')
    assert meetings[0].find_missing() == (
        f'rank 1 {ME} failed: its disk is full; missing: rank 2 {ME} (killed, for instance for '
        'lack of memory, hung, or its machine is cut off)')
    # Who waits itself is not missing.
    assert meetings[1].find_missing() == (
        f'missing: rank 2 {ME} (killed, for instance for lack of memory, hung, or its machine is '
        'cut off)')


def test_all_are_there_but_do_not_reach_each_other(port):
    meetings = meet(*places(port, 2))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(Meeting.find_missing, meetings))
    assert found == ['all are there, but what they send each other does not arrive'] * 2


def test_the_machine_of_the_first_is_gone(port):
    meeting = meet(*places(port, 2))[1]
    meeting.place = meeting.place._replace(port=1)
    assert meeting.find_missing() == (
        f'rank 0 {ME} does not answer at 127.0.0.1:1 any more (Connection refused): it has ended, '
        'or this machine is cut off from it')


def test_the_meeting_of_a_process(monkeypatch):
    monkeypatch.setattr(module, '_current', [])
    assert current() is None
    begin('a meeting')
    assert current() == 'a meeting'
