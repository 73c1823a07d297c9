import json

import clips
import numpy as np
import pytest
from window_networks import Shares

from amd_mm.datasets.transforms.frame_stream import ShownFrame
from amd_mm.inference import Cut, Journal, Prediction, Predictor, WindowRun, lines_of, video_frames
from amd_mm.inference.live import Live
from amd_mm.inference.windows import Window


def test_windows_are_said_in_seconds(tmp_path, capsys):
    path = clips.write_video(tmp_path / 'a.mp4', 12)
    broken = clips.write_broken_videos(tmp_path)['no_index']
    network = Shares()
    run = WindowRun(network, Cut(), 2, Journal(tmp_path / 'windows', (2, ), {}))
    assert Predictor(network, top_k=1).sliding([path, broken], run, None) == 1
    said = capsys.readouterr()
    assert said.out == (f'{path}\n      0.00 - 0.80 s  1.000  class 0\n'
                        f'      0.40 - 1.20 s  0.938  class 0\n{broken}\n')
    assert said.err.startswith(f'error: {broken}: must be a video')
    Predictor(network, top_k=1).sliding([path, broken], run, None, smooth=5.)
    assert capsys.readouterr().out.count('0.969  class 0') == 2


class Watched:
    """A camera of 10 frames a second of which the network sees 8, misses 4 and sees 8."""

    name, fps = 'camera 0', 10.

    def __init__(self) -> None:
        self.closed = False

    def windows(self, length, stride):
        assert (length, stride) == (8, 4)
        for first, dropped in ((0, 0), (12, 4)):
            frames = [
                ShownFrame(number / 10, .1,
                           lambda number=number: np.full((48, 64, 3), 4 * number, np.uint8))
                for number in range(first, first + 8)]
            yield Live(Window(first / 10, first / 10 + .8, frames), 8, dropped)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize('seconds, count', [(None, 2), (.5, 1)])
def test_a_camera_is_said_kept_and_drawn(tmp_path, capsys, seconds, count):
    watched = Watched()
    Predictor(Shares(), 1, tmp_path).camera(watched, Cut(), seconds=seconds)
    said = capsys.readouterr().out
    assert '1.20 - 2.00 s  0.812  class 0' in said or count == 1
    assert said.endswith('camera 0: 4 frames dropped\n' if count == 2 else
                         'camera 0: 0 frames dropped\n')
    assert ('camera 0: the stream has ended' in said) == (count == 2)
    lines = [json.loads(line) for line in (tmp_path / 'camera.jsonl').open()]
    assert [(line['start'], line['predictions'][0]['score']) for line in lines] == [
        (0, 1), (1.2, .812)][:count]
    frames = list(video_frames(tmp_path / 'camera.mp4').frames)
    assert [frame.time for frame in frames] == pytest.approx(
        [number / 10 for number in [*range(8), *range(12, 20)][:8 * count]])
    # The first window is shown on the frames behind it.
    assert all((frame.picture[:12, :30] > 180).any() for frame in frames[8:])
    assert not any((frame.picture[:12, :30] > 180).any() for frame in frames[:8])
    assert watched.closed


def test_a_class_without_a_name_has_its_number():
    assert lines_of([Prediction(3, None, .25), Prediction(1, 'cat', .5)]) == [
        '0.250  class 3', '0.500  cat']
