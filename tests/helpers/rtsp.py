"""A server of RTSP with one stream, an MPEG transport stream in RTP over its own connection."""
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SDP = ('v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=live\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\n'
       'c=IN IP4 0.0.0.0\r\na=control:track\r\n')
# Of seven packets of the transport stream, as is usual.
CHUNK = 7 * 188


@contextmanager
def serving(video: Path | None) -> Iterator[str]:
    """The address of a stream.

    Args:
        video: An .ts file that is sent, after which the connection ends; None: the stream begins
            to play and never sends anything.
    """
    over = threading.Event()

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, connection.makefile('rb') as asked:
            while (method := _request(asked)) is not None:
                word, number = method
                body = SDP if word == 'DESCRIBE' else ''
                more = dict(
                    OPTIONS='Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n',
                    DESCRIBE=f'Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n',
                    SETUP='Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n',
                    PLAY='Session: 1\r\n').get(word, '')
                head = f'RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{more}\r\n'
                connection.sendall(f'{head}{body}'.encode())
                if word == 'PLAY':
                    break
            if video is None:
                over.wait()
            else:
                _send(connection, video.read_bytes())

    with socket.create_server(('127.0.0.1', 0)) as server:
        threading.Thread(target=serve, args=(server, ), daemon=True).start()
        try:
            yield f'rtsp://127.0.0.1:{server.getsockname()[1]}/live'
        finally:
            over.set()


def _request(asked) -> tuple[str, str] | None:
    lines = []
    while line := asked.readline().decode().strip():
        lines.append(line)
    if not lines:
        return None
    return lines[0].split()[0], re.search(r'CSeq: *(\d+)', '\n'.join(lines))[1]


def _send(connection: socket.socket, content: bytes) -> None:
    for number, start in enumerate(range(0, len(content), CHUNK)):
        payload = content[start:start + CHUNK]
        header = struct.pack('>BBHII', 0x80, 33, number & 0xffff, 3600 * number, 1)
        connection.sendall(struct.pack('>cBH', b'$', 0, len(header) + len(payload))
                           + header + payload)
