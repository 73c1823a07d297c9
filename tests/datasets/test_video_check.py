import os
import time

import pytest
from clips import write_broken_videos, write_video

from amd_mm.datasets import video_check
from amd_mm.datasets.video_check import Verdict, check_videos


@pytest.mark.parametrize('workers', [0, 2])
def test_good_short_and_broken(tmp_path, workers):
    broken = write_broken_videos(tmp_path)
    paths = [write_video(tmp_path / 'good.mp4', 16), write_video(tmp_path / 'short.mp4', 15),
             broken['no_video_file'], tmp_path / 'gone.mp4', broken['empty']]
    verdicts = list(check_videos(list(map(str, paths)), 16, workers, 60.))
    assert verdicts[:2] == [Verdict('good', ''), Verdict('short', 'has 15 frames, fewer than 16')]
    assert [verdict.kind for verdict in verdicts[2:]] == ['broken'] * 3
    assert verdicts[3].reason == 'does not exist'


def test_a_decoder_that_hangs_or_crashes_stops_nothing(monkeypatch):
    def check(path, min_frames):
        if path == 'hangs':
            time.sleep(60)
        if path == 'crashes':
            os._exit(3)
        return Verdict('good', '')

    monkeypatch.setattr(video_check, '_check', check)
    assert list(check_videos(['a', 'crashes', 'hangs', 'b'], 16, 0, 1.)) == [
        Verdict('good', ''), Verdict('broken', 'ended its process (status 3)'),
        Verdict('broken', 'no end within the time_limit of 1 s'), Verdict('good', '')]
