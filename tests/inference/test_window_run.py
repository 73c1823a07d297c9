"""A run over files: what it batches, and that an interruption cannot be seen in what it gives."""
import clips
import pytest
from window_networks import Numbers

from amd_mm.inference import Cut, FileEnd, Journal, WindowRun


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Of 20, 5 and 40 frames, and two that break off: at once, and in the middle."""
    folder = tmp_path_factory.mktemp('videos')
    broken = clips.write_broken_videos(folder)
    good = [clips.write_video(folder / f'{count}.mp4', count) for count in (20, 5, 40)]
    return [good[0], broken['no_index'], good[1], broken['corrupt_tail'], good[2]]


def run(folder, files, stop_at=None):
    network = Numbers(stop_at)
    journal = Journal(folder, network.window_shape, {})
    told = []
    done = list(WindowRun(network, Cut(), 3, journal, told.append)(files))
    return network, journal, done, told


def content(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_batches_go_across_files(tmp_path, files):
    network, journal, done, told = run(tmp_path, files)
    assert done == [0, 1, 2, 3, 4]
    first, empty, short, _, last = map(journal.rows_of, range(5))
    # Of 8 frames, every 4: at 10 frames a second.
    assert first['values'][:, :2].tolist() == [[0, 7], [4, 11], [8, 15], [12, 19]]
    assert first['start'] == pytest.approx([0, .4, .8, 1.2])
    assert first['end'] == pytest.approx([.8, 1.2, 1.6, 2])
    assert short['values'][:, :2].tolist() == [[0, 4]] and len(empty) == 0
    assert last['values'][:, :2].tolist() == [[start, start + 7] for start in range(0, 33, 4)]
    assert network.sizes == [3] * (journal.num_rows // 3) + [journal.num_rows % 3] * (
        journal.num_rows % 3 > 0)
    assert told[0] == (0, pytest.approx(1.6))
    good, bad, few, cut, _ = journal.ends
    assert good == FileEnd(4, None, []) and bad.rows == 4 and few.rows == 5
    assert 'no_index.mp4: must be a video that FFmpeg decodes' in bad.error
    assert few.notes == ['it has 5 frames, a window 8: frames are repeated']
    assert 'is damaged or cut off' in cut.error


@pytest.mark.parametrize('stop_at', range(5))
def test_killed_and_resumed_is_uninterrupted(tmp_path, files, stop_at):
    run(tmp_path / 'whole', files)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / 'killed', files, stop_at)
    _, journal, done, _ = run(tmp_path / 'killed', files)
    assert done == [0, 1, 2, 3, 4]
    assert content(tmp_path / 'killed') == content(tmp_path / 'whole')
    # Nothing is left to do.
    network, _, done, _ = run(tmp_path / 'killed', files)
    assert not network.sizes and done == [0, 1, 2, 3, 4]


def test_faults_of_the_network_are_not_the_files(tmp_path, files):
    class Faulty(Numbers):
        def compute(self, samples):
            raise ValueError('no')

    with pytest.raises(ValueError, match='^no$'):
        list(WindowRun(Faulty(), Cut(), 3, Journal(tmp_path, (3, ), {}))(files))


