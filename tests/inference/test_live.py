"""A camera that waits for the test: the newest frames win, and the others are counted."""
import socket
import threading
from queue import Queue

import clips
import numpy as np
import pytest
import rtsp

from amd_mm.inference import Camera


class Frames:
    """A source that gives a frame when it is told to; None ends it."""

    def __init__(self, opens: bool = True, fps: float = 0.) -> None:
        self.opens, self.fps = opens, fps
        self.queue: Queue[int | None] = Queue()
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802
        return self.opens

    def get(self, _: int) -> float:
        return self.fps

    def read(self):
        number = self.queue.get()
        if number is None:
            return False, None
        return True, np.full((2, 2, 3), (number, 0, 0), np.uint8)

    def release(self) -> None:
        self.released = True


def camera(source: Frames, time_limit: float = 30.) -> Camera:
    ticks = iter(range(10_000))
    return Camera('0', time_limit, lambda _: source, lambda: next(ticks) / 10 + 5)


def send(watched: Camera, source: Frames, *numbers: int | None) -> None:
    """Give frames, and wait until the camera's thread has read them."""
    expected = watched._arrived + len([number for number in numbers if number is not None])
    for number in numbers:
        source.queue.put(number)
    with watched._changed:
        assert watched._changed.wait_for(
            lambda: watched._arrived == expected and (None not in numbers or watched._ended), 30)


def seen(live) -> list[int]:
    # The blue of OpenCV's order is the last of ours.
    return [int(picture[0, 0, 2]) for picture in live.window.pictures]


def test_who_is_slow_gets_the_newest_and_the_count_of_the_others():
    source = Frames(fps=10)
    watched = camera(source)
    windows = watched.windows(4, 2)
    assert watched.fps == 10
    send(watched, source, 0, 1, 2, 3)
    live = next(windows)
    assert seen(live) == [0, 1, 2, 3] and (live.fresh, live.dropped) == (4, 0)
    assert (live.window.start, live.window.end) == (0, pytest.approx(.4))
    send(watched, source, 4, 5)
    live = next(windows)
    assert seen(live) == [2, 3, 4, 5] and (live.fresh, live.dropped) == (2, 0)
    # While the network was busy seven frames came: three have no place.
    send(watched, source, *range(6, 13))
    live = next(windows)
    assert seen(live) == [9, 10, 11, 12] and (live.fresh, live.dropped) == (4, 3)
    assert live.window.start == pytest.approx(.9)
    send(watched, source, 13, None)
    assert list(windows) == []
    assert source.released


def test_a_stream_shorter_than_a_window_is_one():
    source = Frames()
    watched = camera(source)
    assert watched.fps == 30
    windows = watched.windows(4, 2)
    send(watched, source, 1, None)
    # What was read before the windows were asked for is there.
    assert [seen(live) for live in windows] == [[1]]


def test_one_that_ends_before_the_first_frame():
    source = Frames()
    watched = camera(source)
    send(watched, source, None)
    with pytest.raises(ValueError, match='0: a camera or stream must send frames, but it ended'):
        list(watched.windows(4, 2))


def test_one_that_sends_nothing_more():
    source = Frames()
    watched = camera(source, .2)
    windows = watched.windows(2, 1)
    with pytest.raises(ValueError, match=r'must send a frame within 0.2 s, but sent none; check'):
        next(windows)
    send(watched, source, 0, 1)
    windows = watched.windows(2, 1)
    next(windows)
    with pytest.raises(ValueError, match='but sent none after its first 2; check it, or give it'):
        next(windows)
    source.queue.put(None)
    watched.close()
    assert source.released


def test_one_that_does_not_open(tmp_path):
    with pytest.raises(ValueError, match='0: must be a camera or stream that OpenCV opens'):
        camera(Frames(opens=False))
    path = clips.write_video(tmp_path / 'film.mp4', 4)
    with pytest.raises(ValueError, match='this is a file; name it as an input, with --sliding'):
        Camera(str(path))


def test_an_address_that_never_answers():
    """A server that takes the connection and sends nothing: OpenCV alone waits half a minute."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        address = f'http://127.0.0.1:{server.getsockname()[1]}/live.ts'
        with pytest.raises(ValueError, match=r'live.ts: a camera or stream must open within 0.3 s'):
            Camera(address, .3)
    # One that is inside OpenCV when Python ends aborts the process.
    assert 'camera' not in {thread.name for thread in threading.enumerate()}


def test_a_stream_of_rtsp_that_ends(tmp_path):
    """Every frame is in a window or counted as dropped, but for less than a stride at the end."""
    film = clips.write_video(tmp_path / 'film.ts', 24, tune='zerolatency')
    with rtsp.serving(film) as address:
        watched = Camera(address, 20.)
        found = list(watched.windows(4, 2))
    assert watched.fps == 10
    # OpenCV may miss the first frame, and leaves the last ones in its decoder.
    assert 21 <= watched._arrived <= 24
    assert 0 <= watched._arrived - sum(live.fresh for live in found) - found[-1].dropped < 2
    shown = [[clips.frame_number(picture) for picture in live.window.pictures] for live in found]
    assert shown[-1][-1] >= 20
    # A machine so busy that nothing is asked for before the end has one window, of one frame.
    assert all(numbers == list(range(numbers[0], numbers[-1] + 1)) for numbers in shown)
    assert all(len(numbers) == 4 for numbers in shown[1:])


def test_a_stream_of_rtsp_that_never_sends_a_frame():
    with rtsp.serving(None) as address, pytest.raises(
            ValueError, match=r'live: a camera or stream must open within 0.5 s, but did not'):
        Camera(address, .5)
