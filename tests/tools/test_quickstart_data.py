"""The moving digits: real pictures, one class a direction, and nothing of it in a single frame."""
import runpy
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / 'tools/data/moving_digits.py'
digits = runpy.run_path(str(SCRIPT))
Settings = digits['Settings']
SMALL = Settings(train=24, labelled=8, val=8, test=8, size=24, frames=4)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp('moving digits')
    assert digits['prepare'](out, SMALL) == 40
    return out


def read(path):
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context.name
        # A frame predicted from the one before it would carry traces of the motion.
        assert all(packet.is_keyframe for packet in container.demux() if packet.size)
        container.seek(0)
        return np.stack([f.to_ndarray(format='rgb24') for f in container.decode(video=0)]), codec


def leave_one_out_accuracy(features, labels):
    """Of the nearest neighbour."""
    distances = ((features**2).sum(1) - 2 * features @ features.T)
    np.fill_diagonal(distances, np.inf)
    return (labels[distances.argmin(1)] == labels).mean()


def test_videos_show_what_was_rendered(folder):
    for split, count in (('train', 24), ('val', 8), ('test', 8)):
        for index in range(count):
            frames, codec = read(folder / digits['video_path'](split, index))
            wanted, _ = digits['render'](split, index, SMALL)
            assert codec in ('h264', 'mpeg4') and frames.shape == (4, 24, 24, 3)
            # 4:2:0 colour and quantisation cost a few grey levels; another clip costs dozens.
            assert np.abs(frames.astype(int) - wanted).mean() < 10


def test_lists(folder):
    def read_list(name):
        return [line.split() for line in (folder / name).read_text().splitlines()]

    assert read_list('pretrain.txt') == [[f'videos/train/{i:05d}.mp4'] for i in range(24)]
    for name, split in (('train.txt', 'train'), ('val.txt', 'val'), ('test.txt', 'test')):
        assert read_list(name) == [[f'videos/{split}/{i:05d}.mp4', str(i)] for i in range(8)]
        assert all((folder / path).is_file() for path, _ in read_list(name))
    assert len((folder / 'classes.txt').read_text().split()) == 8


def test_digits_are_real_and_splits_disjoint():
    assert digits['read_digits']().shape == (5000, 28, 28)
    parts = [set(digits['digits_of'](split, 0)) for split in ('train', 'val', 'test')]
    assert [len(part) for part in parts] == [3000, 1000, 1000] and len(set.union(*parts)) == 5000


def test_a_position_says_nothing_about_the_class_and_two_say_everything():
    rng = np.random.default_rng(0)
    labels = np.arange(4000) % 8
    paths = np.stack([
        digits['trajectory'](
            np.pi * label / 4, rng.uniform(0, 36, 2), rng.uniform(1.5, 2.5), 12, 36)
        for label in labels])
    for frame in (0, 5, 11):
        for label in range(8):
            # 16 cells of 31 positions each: the 0.9999 quantile of chi-squared, 15 degrees, is 44.
            counts = np.bincount((paths[labels == label, frame] // 9) @ (4, 1), minlength=16)
            assert ((counts - 500 / 16)**2 / (500 / 16)).sum() < 44
    moved = (paths[:, 6] - paths[:, 0] + 18) % 36 - 18
    angle = np.arctan2(*moved.T)
    assert (np.rint(angle / (np.pi / 4)).astype(int) % 8 == labels).all()


def test_single_frames_are_at_chance():
    clips = np.stack([digits['render']('train', i, Settings(size=24))[0] for i in range(800)])
    clips, labels = clips.mean(-1), np.arange(800) % 8
    for frame in (0, 6, 11):
        # Chance is 0.125, its standard deviation 0.012.
        pixels = clips[:, frame].reshape(800, -1)
        assert leave_one_out_accuracy(pixels - pixels.mean(1, keepdims=True), labels) < 0.18
    # The same classifier on the phase correlation of two frames: the motion is there to be seen.
    first, last = (np.fft.fft2(clips[:, t] - clips.mean(1)) for t in (2, 8))
    correlation = np.fft.ifft2(first.conj() * last).real.reshape(800, -1)
    correlation /= np.linalg.norm(correlation, axis=1, keepdims=True)
    assert leave_one_out_accuracy(correlation, labels) > 0.5


MOVER = Settings(task='mover', size=28, frames=8)


def test_a_frame_shows_both_digits_and_two_frames_which_of_them_moves():
    assert digits['CLASSES']['mover'] == tuple('0123456789')
    shown = digits['digit_labels']()
    assert np.bincount(shown).tolist() == [500] * 10
    clips = np.stack([digits['render']('train', i, MOVER)[0] for i in range(400)]).astype(float)
    labels = np.arange(400) % 10
    assert [digits['render']('train', i, MOVER)[1] for i in range(12)] == [*range(10), 0, 1]
    # What changes between frames is where the mover was and is: the change of a frame is no more
    # than that one digit, and the standing one's pixels stay as they are.
    changed = np.abs(np.diff(clips, axis=1)).sum(-1) > 0
    assert 0.02 < changed.mean() < 0.4
    assert (changed.any(1).mean((1, 2)) < 0.8).all()
    for frame in (0, 7):
        # Chance is 0.1, its standard deviation 0.015.
        pixels = clips[:, frame].mean(-1).reshape(400, -1)
        assert leave_one_out_accuracy(pixels - pixels.mean(1, keepdims=True), labels) < 0.17


def test_the_mover_is_the_digit_of_the_label(monkeypatch):
    seen = []
    draw = digits['mover_clip'].__globals__['draw_digit']
    monkeypatch.setitem(digits['mover_clip'].__globals__, 'draw_digit',
                        lambda index, *rest: seen.append(index) or draw(index, *rest))
    moved = []
    path = digits['mover_clip'].__globals__['trajectory']
    monkeypatch.setitem(
        digits['mover_clip'].__globals__, 'trajectory',
        lambda angle, start, speed, *rest: moved.append(speed) or path(angle, start, speed, *rest))
    shown, first = digits['digit_labels'](), []
    for index in range(200):
        seen.clear(), moved.clear()
        digits['render']('val', index, MOVER)
        (mover, ) = (shown[digit] for digit, speed in zip(seen, moved, strict=True) if speed)
        (still, ) = (shown[digit] for digit, speed in zip(seen, moved, strict=True) if not speed)
        assert mover == index % 10 != still
        first.append(moved[0] > 0)
    # Either may cover the other.
    assert 60 < sum(first) < 140


def test_second_run_writes_only_what_is_missing(folder):
    kept, lost = (folder / digits['video_path']('train', i) for i in (0, 5))
    before, content = kept.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    assert digits['prepare'](folder, SMALL) == 1
    assert lost.read_bytes() == content and kept.stat().st_mtime_ns == before


def test_other_settings_want_another_folder(folder):
    with pytest.raises(ValueError, match='choose another --out'):
        digits['prepare'](folder, Settings(train=16, labelled=8, val=8, test=8, size=24, frames=4))
    for wrong in (dict(train=4, labelled=5), dict(size=25), dict(size=8), dict(task='x')):
        with pytest.raises(ValueError, match='must'):
            Settings(**wrong)


def test_command_line(tmp_path):
    command = [sys.executable, str(SCRIPT), '--out', str(tmp_path / 'a'), '--workers', '2',
               '--train', '8', '--labelled', '8', '--val', '8', '--test', '8', '--frames', '2']
    assert '24 videos written, 8 classes' in subprocess.run(
        command, check=True, capture_output=True, text=True).stdout
