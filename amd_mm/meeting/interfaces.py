"""Whether the processes of a run reach each other by the network interface that they are to use."""
from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import struct
import threading
from contextlib import ExitStack, suppress
from typing import Any

from amd_mm.meeting.meeting import CHECK, Meeting, Unmet
from amd_mm.meeting.place import reason_of

# What says by which interface a backend of torch talks.
VARIABLES = dict(gloo='GLOO_SOCKET_IFNAME', nccl='NCCL_SOCKET_IFNAME')
# Seconds for a connection, and for the answer.
_ANSWER = 10.
# Of Linux: the IPv4 address of an interface, and where it stands in the answer.
_SIOCGIFADDR, _PLACE = 0x8915, slice(20, 24)


def require_reach(meeting: Meeting, backend: str) -> None:
    """Let each process call the next one by its interface; all raise what one has found.

    gloo notices a wrong interface after several times its limit, or not at all.

    Args:
        meeting: Of the processes.
        backend: Of torch's process group; only gloo and NCCL are known here.

    Raises:
        ValueError: If an interface is named that a machine does not have.
        Unmet: If a process does not reach the next one.
    """
    fault, listener = '', None
    try:
        listener = _listen(backend)
    except ValueError as error:
        fault = str(error)
    with ExitStack() as stack:
        token, address = secrets.token_hex(8), None
        if listener is not None:
            stack.enter_context(listener)
            address = listener.getsockname()[:2]
            threading.Thread(target=_answer, args=(listener, token), daemon=True).start()
        me = json.dumps(dict(fault=fault, address=address, token=token))
        peers = [json.loads(said) for said in meeting.share('interface', me)]
        faults = _named(meeting, [peer['fault'] for peer in peers])
        if faults:
            raise ValueError(f'the network interface of each rank must be there, but {faults}')
        place = (meeting.place.rank + 1) % len(peers)
        faults = _named(meeting, meeting.share(
            'reached', _call(meeting.names[place], **peers[place])))
    if faults:
        raise Unmet(
            f'the {len(peers)} ranks of a run must reach each other, but {faults}; {CHECK}. Where '
            'no interface is set, gloo takes the address that the own host name stands for '
            '(/etc/hosts)')


def _listen(backend: str) -> socket.socket | None:
    """A socket at the address that a backend would take; None where that is not known.

    Raises:
        ValueError: If there is no such interface.
    """
    known = next((name for name in VARIABLES if name in backend), None)
    if known is None:
        return None
    wanted = os.environ.get(VARIABLES[known], '')
    if wanted:
        interface = _interface(known, wanted)
        address = interface and _address_of(interface)
        return socket.create_server((address, 0)) if address else None
    if known == 'gloo':
        with suppress(OSError):
            for *_, place in socket.getaddrinfo(socket.gethostname(), 0, socket.AF_INET):
                return socket.create_server((str(place[0]), 0))
        return socket.create_server(('127.0.0.1', 0))
    return None


def _interface(backend: str, wanted: str) -> str | None:
    """The first that is named; None where others are left out (NCCL's ``^``)."""
    there = [name for _, name in socket.if_nameindex()]
    names = wanted.lstrip('=').split(',')
    if wanted.startswith('^'):
        return None
    if backend == 'nccl' and not wanted.startswith('='):  # beginnings of names
        found = [name for name in there if name.startswith(tuple(names))]
    else:
        found = names if set(names) <= set(there) else []
    if not found:
        raise ValueError(f'{VARIABLES[backend]} is {wanted!r}, and there are {", ".join(there)}')
    return found[0]


def _address_of(interface: str) -> str | None:
    """Its IPv4 address; None if it has none."""
    request = struct.pack('256s', interface.encode()[:15])
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        return socket.inet_ntoa(fcntl.ioctl(asked, _SIOCGIFADDR, request)[_PLACE])
    return None


def _answer(listener: socket.socket, token: str) -> None:
    """Say who is here to all that call, until the socket is closed."""
    with suppress(OSError):
        while True:
            caller, _ = listener.accept()
            with caller:
                caller.sendall(token.encode())


def _call(name: str, address: list[Any] | None, token: str, **_: str) -> str:
    """Why a process cannot be reached; empty if it can, or has no address to try."""
    if address is None:
        return ''
    host, port = address
    try:
        with socket.create_connection((host, port), _ANSWER) as called:
            reason = '' if called.recv(len(token)).decode(errors='replace') == token else (
                'another program answers')
    except OSError as error:
        reason = reason_of(error)
    return reason and f'does not reach {name} at {host} ({reason})'


def _named(meeting: Meeting, faults: list[str]) -> str:
    return '; '.join(f'{name}: {fault}' for name, fault in zip(meeting.names, faults, strict=True)
                     if fault)
