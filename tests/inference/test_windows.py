import av
import clips
import numpy as np
import pytest

from amd_mm.datasets.transforms.frame_stream import ShownFrame
from amd_mm.inference import Cut, video_frames, windows_by_count, windows_by_time
from amd_mm.inference.windows import Frames


def frames(times) -> list[ShownFrame]:
    return [ShownFrame(time, .1, lambda number=number: np.full((2, 2, 3), number, np.uint8))
            for number, time in enumerate(times)]


def numbers(window) -> list[int]:
    return [int(picture[0, 0, 0]) for picture in window.pictures]


@pytest.mark.parametrize('count, length, stride, expected', [
    (10, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10)]),
    # The end is covered, too.
    (9, 4, 4, [(0, 4), (4, 8), (5, 9)]),
    (10, 3, 5, [(0, 3), (5, 8), (7, 10)]),
    (4, 4, 9, [(0, 4)]),
    (2, 4, 2, [(0, 2)]),
    (0, 4, 2, []),
])
def test_windows_cover_the_video_to_its_end(count, length, stride, expected):
    windows = list(windows_by_count(frames(np.arange(count) / 10), length, stride))
    assert [numbers(window) for window in windows] == [
        list(range(start, end)) for start, end in expected]
    assert [(window.start, window.end) for window in windows] == [
        (pytest.approx(start / 10), pytest.approx(end / 10)) for start, end in expected]


@pytest.mark.parametrize('times, length, stride, expected', [
    # Even frames: as if they were counted.
    (np.arange(10) / 10, .4, .2, [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9]]),
    (np.arange(9) / 10, .4, .4, [[0, 1, 2, 3], [4, 5, 6, 7], [5, 6, 7, 8]]),
    (np.arange(10) / 10, .3, .5, [[0, 1, 2], [5, 6, 7], [7, 8, 9]]),
    # A slow part and a fast one; a gap of three windows; the end.
    ([0, .5, 1, 1.1, 1.2, 1.3, 5, 5.1], 1, 1, [[0, 1], [2, 3, 4, 5], [6, 7]]),
    ([0, .1], 5, 1, [[0, 1]]),
    ([], 1, 1, []),
])
def test_windows_by_the_clock(times, length, stride, expected):
    windows = list(windows_by_time(frames(times), length, stride, .05))
    assert [numbers(window) for window in windows] == expected


def test_strides_in_seconds_do_not_drift():
    """1.5 seconds are 35.96 frames: rounded, an hour would end 5 seconds off."""
    fps = 24000 / 1001
    count = round(3600 * fps)
    windows = windows_by_time(frames(np.arange(count) / fps), 2, 1.5, .5 / fps)
    starts = [window.start for window in windows]
    assert len(starts) == 2400
    assert np.abs(np.array(starts[:-1]) - 1.5 * np.arange(2399)).max() <= .5 / fps + 1e-9


def test_a_cut_counts_frames_or_seconds():
    def starts(cut: Cut) -> list[float]:
        video = Frames(10., iter(frames(np.arange(12) / 10)))
        return [window.start for window in cut(video, lambda fps: 4)]

    assert starts(Cut()) == pytest.approx([0, .2, .4, .6, .8])
    assert starts(Cut(stride=.4)) == pytest.approx([0, .4, .8])
    assert starts(Cut(window=.6)) == pytest.approx([0, .3, .6])
    assert starts(Cut(window=.6, stride=.2)) == pytest.approx([0, .2, .4, .6])


def test_uneven_frames_keep_their_times(tmp_path):
    """A file whose rate changes, as screens and phones record it."""
    times = [0, .5, 1, 1.5, *np.arange(2, 4, .1).round(3)]
    path = clips.write_at(tmp_path / 'uneven.mp4', times)
    windows = list(Cut(window=1, stride=1)(video_frames(path), lambda fps: 4))
    assert [(window.start, len(window.frames)) for window in windows] == [
        (pytest.approx(start), count) for start, count in [(0, 2), (1, 2), (2, 10), (3, 10)]]
    assert [clips.frame_number(picture) for picture in windows[2].pictures] == list(range(4, 14))


def test_files_give_every_frame(tmp_path):
    path = clips.write_video(tmp_path / 'numbers.mp4', 12)
    fps, some = video_frames(path)
    assert fps == 10
    some = list(some)
    assert [clips.frame_number(frame.picture) for frame in some] == list(range(12))
    assert [frame.time for frame in some] == pytest.approx(np.arange(12) / 10)
    assert [frame.duration for frame in some] == pytest.approx([.1] * 12)


def test_frames_are_decoded_once_however_windows_overlap(tmp_path, monkeypatch):
    path = clips.write_video(tmp_path / 'numbers.mp4', 40)
    decoded = []
    whole = av.container.InputContainer.decode
    monkeypatch.setattr(
        'amd_mm.inference.windows.open_container', lambda file: Counting(av.open(file)))

    class Counting:
        def __init__(self, container) -> None:
            self.container, self.streams = container, container.streams
            self.start_time = container.start_time

        def __enter__(self) -> 'Counting':
            return self

        def __exit__(self, *_) -> None:
            self.container.close()

        def decode(self, stream):
            for frame in whole(self.container, stream):
                decoded.append(frame.pts)
                yield frame

    windows = [numbers(window) for window in Cut(stride=.1)(video_frames(path), lambda fps: 16)]
    assert len(windows) == 25
    assert len(decoded) == len(set(decoded)) == 40


def test_what_cannot_be_opened_or_decoded_is_named(tmp_path):
    broken = clips.write_broken_videos(tmp_path)
    with pytest.raises(ValueError, match='no_index.mp4: must be a video'):
        video_frames(broken['no_index'])
    with pytest.raises(ValueError, match='corrupt_tail.mp4: must be a video'):
        list(video_frames(broken['corrupt_tail']).frames)
