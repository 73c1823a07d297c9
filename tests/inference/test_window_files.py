"""What is written of videos, byte by byte."""
import json

import clips
import numpy as np
import pytest
from window_networks import Shares

from amd_mm.inference import FORMATS, Cut, Journal, WindowFiles, WindowRun, video_frames


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('videos')
    return [clips.write_video(folder / 'a.mp4', 60),
            clips.write_broken_videos(folder)['no_index'],
            clips.write_at(folder / 'b.mkv', [0, .1, .2, .3, 2, 2.1, 2.2, 2.3])]


def write(out, videos, stop_at=None, formats=FORMATS, **settings):
    network = Shares()
    files = WindowFiles(out, formats, network.top, ('one & one', 'two'), 2, **settings)
    run = WindowRun(network, Cut(stride=2), 4, Journal(files.folder / 'windows', (2, ), {}))
    for number in run(videos):
        if number < files.done:
            continue
        if number == stop_at:
            raise KeyboardInterrupt
        files.add(videos[number], videos[number].stem, run.journal.rows_of(number))
    run.journal.close()
    files.close()


def test_every_form_of_it(tmp_path, videos):
    write(tmp_path, videos)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'a.mp4', 'a.srt', 'a.vtt', 'b.mp4', 'b.srt', 'b.vtt', 'predictions.csv',
        'predictions.jsonl']
    lines = [json.loads(line) for line in (tmp_path / 'predictions.jsonl').open()]
    assert lines[1] == dict(input=str(videos[0]), start=2., end=2.8, predictions=[
        dict(label=0, name=None, score=.688), dict(label=1, name=None, score=.312)])
    assert [line['start'] for line in lines if line['input'].endswith('b.mkv')] == [0]
    table = (tmp_path / 'predictions.csv').read_text().splitlines()
    assert table[:5] == [
        'input,start,end,rank,label,name,score', f'{videos[0]},0.0,0.8,1,0,,1.0',
        f'{videos[0]},0.0,0.8,2,1,,0.0', f'{videos[0]},2.0,2.8,1,0,,0.688',
        f'{videos[0]},2.0,2.8,2,1,,0.312']
    assert len(table) == 1 + 2 * len(lines)
    # Middles at 0.4, 2.4, 4.4 and, where the video ends, 5.6.
    assert (tmp_path / 'a.srt').read_text() == (
        '1\n00:00:00,000 --> 00:00:03,400\none & one 0.84\n\n'
        '2\n00:00:03,400 --> 00:00:06,000\ntwo 0.72\n\n')
    assert 'one &amp; one 0.84' in (tmp_path / 'a.vtt').read_text()


def test_a_drawn_video_keeps_the_times(tmp_path, videos):
    write(tmp_path, videos[2:], formats=['video'])
    before, after = (list(video_frames(path).frames) for path in (videos[2], tmp_path / 'b.mp4'))
    assert [frame.time for frame in after] == pytest.approx([frame.time for frame in before])
    for one, other in zip(before, after, strict=True):
        assert np.abs(one.picture[30:].astype(int) - other.picture[30:]).mean() < 4


def test_interrupted_anywhere_it_is_the_same(tmp_path, videos):
    def content(folder) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    formats = ['jsonl', 'csv', 'vtt']
    write(tmp_path / 'whole', videos, formats=formats)
    for stop_at in range(3):
        out = tmp_path / str(stop_at)
        with pytest.raises(KeyboardInterrupt):
            write(out, videos, stop_at, formats)
        with (out / 'predictions.partial/predictions.jsonl').open('a') as file:
            file.write('{"half')
        write(out, videos, formats=formats)
        assert content(out) == content(tmp_path / 'whole')


def test_what_is_there_or_other_is_not_touched(tmp_path, videos):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, videos, 1, ['csv'])
    with pytest.raises(ValueError, match='must be of the same names, --write'):
        write(tmp_path, videos, formats=['csv'], smooth=3.)
    write(tmp_path, videos, formats=['csv'])
    kept = (tmp_path / 'predictions.csv').read_bytes()
    with pytest.raises(ValueError, match='predictions.csv: must not exist, but it does'):
        write(tmp_path, videos, formats=['csv'])
    write(tmp_path, videos, formats=['csv'], force=True)
    assert (tmp_path / 'predictions.csv').read_bytes() == kept


def test_smoothed_scores_are_written(tmp_path, videos):
    write(tmp_path, videos[:1], formats=['jsonl'], smooth=100.)
    lines = [json.loads(line) for line in (tmp_path / 'predictions.jsonl').open()]
    # The first frames are 0, 20, 40 and 52.
    assert [line['predictions'][0]['score'] for line in lines] == [round(1 - 28 / 64, 3)] * 4
