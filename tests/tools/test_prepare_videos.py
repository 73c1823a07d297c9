"""Prepared videos: the same frames at the same times, fast to enter, and what they cost."""
import importlib.util
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from fractions import Fraction
from multiprocessing import connection
from pathlib import Path
from types import ModuleType, SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from clips import REAL, frame_number, write_broken_videos, write_video
from clock import Clock
from decord import VideoReader

import amd_mm
from amd_mm.datasets import VideoDataset

SCRIPT = Path(__file__).parents[2] / 'tools/data/prepare_videos.py'


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPT.with_name(f'{name}.py'))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


video_encoding = load('video_encoding')
prepare_videos = load('prepare_videos')
Settings = video_encoding.Settings
SMALL = ('--short-side', 48, '--workers', 2)
VIDEOS = ('a b/größe.mp4', 'grey.mkv', 'link.mp4', 'old.avi', 'one.mp4')


def run(*arguments: object) -> int:
    return prepare_videos.main([str(argument) for argument in arguments])


def write_real(path: Path, frames: int = 40, size: tuple = (96, 72), codec: str = 'libx264',
               pix_fmt: str = 'yuv420p', times: list | None = None, rotation: int = 0,
               **tags: int) -> Path:
    """The first frames of a real clip, scaled; ``times`` in milliseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(REAL / 'bikes.mp4')) as source, av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for number, frame in zip(range(frames), source.decode(video=0), strict=False):
            frame = frame.reformat(*size, format=pix_fmt)
            frame.time_base = Fraction(1, 1000) if times else Fraction(1, 25)
            frame.pts, frame.pict_type = times[number] if times else number, 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def packets(path: Path) -> list[av.Packet]:
    """In the order of presentation."""
    with av.open(str(path)) as container:
        return sorted((packet for packet in container.demux(video=0) if packet.size),
                      key=lambda packet: packet.pts)


def is_reference(packet: av.Packet) -> bool:
    """Whether other frames may refer to this one (nal_ref_idc of its slice, H.264 7.4.1)."""
    data, place = bytes(packet), 0
    while data[place + 4] & 31 not in (1, 5):  # Slices; others hold parameters.
        place += 4 + int.from_bytes(data[place:place + 4], 'big')
    return data[place + 4] >> 5 & 3 > 0


def table(folder: Path) -> dict[str, dict[str, str]]:
    names, *rows = (line.split('\t') for line in (folder / 'prepared.tsv').read_text().splitlines())
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def failures(folder: Path) -> dict[str, str]:
    return dict(line.split('\t') for line in (folder / 'failed.txt').read_text().splitlines())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob('*') if path.is_file()}


def assert_alike(folder: Path, whole: dict[str, bytes]) -> None:
    """The same files and, x264 not being exactly repeatable, nearly the same table."""
    assert set(contents(folder)) == set(whole)
    rows = [np.genfromtxt(io.BytesIO(text), delimiter='\t', names=True, comments=None)
            for text in (whole['prepared.tsv'], (folder / 'prepared.tsv').read_bytes())]
    for name in ('bytes_before', 'frames', 'width', 'height'):
        np.testing.assert_array_equal(rows[0][name], rows[1][name])
    for name in ('bytes_after', 'psnr'):
        np.testing.assert_allclose(rows[0][name], rows[1][name], rtol=.1)


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('source')
    write_real(folder / 'a b/größe.mp4')
    write_real(folder / 'old.avi', 35, codec='mpeg4')
    write_real(folder / 'one.mp4', 1)
    write_video(folder / 'grey.mkv', 45, size=(60, 44))
    (folder / 'link.mp4').symlink_to(folder / 'a b/größe.mp4')
    (folder / 'list.txt').write_text(''.join(f'{name} {i}\n' for i, name in enumerate(VIDEOS)))
    (folder / '.hidden').mkdir()
    (folder / '.hidden/bad.mp4').touch()
    (folder / '._old.avi').touch()
    return folder


@pytest.fixture(scope='module')
def prepared(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('prepared') / 'new'
    assert run(source, folder, *SMALL) == 0
    return folder


def test_names_and_lists_stay(source: Path, prepared: Path) -> None:
    own = {'prepared.tsv', 'failed.txt', 'prepared.json'}
    assert set(contents(prepared)) == {*VIDEOS, 'list.txt', *own}
    assert (prepared / 'list.txt').read_bytes() == (source / 'list.txt').read_bytes()
    assert failures(prepared) == {} and not (prepared / 'link.mp4').is_symlink()
    for ann_file in (str(prepared / 'list.txt'), ''):
        data = VideoDataset([], ann_file, dict(video=str(prepared)))
        names = [data.get_data_info(index)['filename'] for index in range(len(data))]
        assert names == [str(prepared / name) for name in VIDEOS]


@pytest.mark.parametrize('name', VIDEOS)
def test_the_same_frames_at_the_same_times(name: str, source: Path, prepared: Path) -> None:
    before, after = read(source / name), read(prepared / name)
    assert len(after) == len(before) == int(table(prepared)[name]['frames'])
    assert [frame.time - after[0].time for frame in after] == pytest.approx(
        [frame.time - before[0].time for frame in before])
    rates = []
    for folder in (source, prepared):
        with av.open(str(folder / name)) as container:
            rates.append(container.streams.video[0].average_rate)
    assert rates[0] == rates[1]
    scaled, found = (np.stack([frame.reformat(64, 48, 'gray').to_ndarray().astype(int)
                               for frame in frames]) for frames in (before, after))
    assert [np.abs(scaled - picture).mean((1, 2)).argmin() for picture in found] == list(
        range(len(before)))


def test_every_decoder_reads_them_under_any_name(prepared: Path) -> None:
    path = prepared / 'grey.mkv'
    with av.open(str(path)) as container:
        assert 'mp4' in container.format.name and container.streams.video[0].name == 'h264'
    capture = cv2.VideoCapture(str(path))
    reader, backwards = VideoReader(str(path), num_threads=1), [*range(44, -1, -1)]
    frames = dict(
        av=[frame.to_ndarray(format='rgb24') for frame in read(path)],
        cv2=[capture.read()[1] for _ in range(45)],
        decord=reader.get_batch(backwards).asnumpy()[::-1])
    for decoder, pictures in frames.items():
        assert [frame_number(picture) for picture in pictures] == list(range(45)), decoder


@pytest.mark.parametrize('name', VIDEOS)
def test_key_frames_and_frames_to_leave_out(name: str, prepared: Path) -> None:
    found = packets(prepared / name)
    assert [i for i, packet in enumerate(found) if packet.is_keyframe] == list(
        range(0, len(found), 16))
    for begin in range(0, len(found), 16):
        group = found[begin:begin + 16]
        # The last frame of a closed group has none after it to refer to.
        assert [i for i, packet in enumerate(group) if is_reference(packet)] == sorted(
            {*range(0, len(group), 4), len(group) - 1})


def test_another_interval(source: Path, tmp_path: Path) -> None:
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in/one.mp4').symlink_to(source / 'a b/größe.mp4')
    run(tmp_path / 'in', tmp_path / 'out', *SMALL, '--key-frame-interval', 10)
    found = packets(tmp_path / 'out/one.mp4')
    assert [i for i, packet in enumerate(found) if packet.is_keyframe] == [0, 10, 20, 30]


def test_table(source: Path, prepared: Path) -> None:
    assert set(table(prepared)) == set(VIDEOS)
    for name, row in table(prepared).items():
        before, after = read(source / name), read(prepared / name)
        size = int(row['width']), int(row['height'])
        assert size == (after[0].width, after[0].height)
        assert int(row['bytes_before']) == (source / name).stat().st_size
        assert int(row['bytes_after']) == (prepared / name).stat().st_size
        # Luma is the upper two thirds of a yuv420p picture.
        luma = [np.stack([frame.reformat(*size, 'yuv420p', interpolation='BICUBIC').to_ndarray()
                          for frame in frames])[:, :size[1]].astype(float)
                for frames in (before, after)]
        error = ((luma[0] - luma[1])**2).mean()
        psnr = 10 * math.log10(255**2 / error) if error else math.inf
        assert float(row['psnr']) == pytest.approx(psnr, abs=1e-3)
    assert table(prepared)['a b/größe.mp4']['width'] == '64'
    assert 30 < float(table(prepared)['old.avi']['psnr']) < 45


@pytest.mark.parametrize(('size', 'wanted'), [
    ((1280, 720), (456, 256)), ((720, 1280), (256, 456)), ((340, 256), (340, 256)),
    ((200, 100), (200, 100)), ((201, 101), (200, 100)), ((258, 1024), (256, 1016)),
    ((256, 455), (256, 454)), ((5, 3), (4, 2)), ((1, 9), (2, 8))])
def test_sizes_are_even_and_never_larger(size: tuple, wanted: tuple) -> None:
    assert Settings().size(*size) == wanted


def test_variable_frame_rate(tmp_path: Path) -> None:
    times = [7 + 40 * number + number**2 % 33 for number in range(30)]
    write_real(tmp_path / 'in/clip.mkv', 30, times=times)
    assert run(tmp_path / 'in', tmp_path / 'out', *SMALL) == 0
    assert [round(1000 * frame.time) for frame in read(tmp_path / 'out/clip.mkv')] == [
        value - times[0] for value in times]


@pytest.mark.parametrize(('rotation', 'side'), [(90, 48), (-90, 48), (180, 48), (90, 256)])
def test_rotation_is_applied(rotation: int, side: int, tmp_path: Path) -> None:
    write_real(tmp_path / 'in/clip.mp4', 3, rotation=rotation)
    assert run(tmp_path / 'in', tmp_path / 'out', '--short-side', side) == 0
    for new, old in zip(read(tmp_path / 'out/clip.mp4'), read(tmp_path / 'in/clip.mp4'),
                        strict=True):
        assert new.rotation == 0
        turned = np.rot90(old.to_ndarray(format='rgb24'), rotation // 90)
        picture = new.to_ndarray(format='rgb24')
        wanted = cv2.resize(turned, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(picture.astype(int) - wanted).mean() < 6
    # OpenCV turns frames itself.
    opencv = [cv2.VideoCapture(str(tmp_path / folder / 'clip.mp4')).read()[1]
              for folder in ('in', 'out')]
    wanted = cv2.resize(opencv[0], opencv[1].shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(opencv[1].astype(int) - wanted).mean() < 6


@pytest.mark.parametrize(('codec', 'pix_fmt', 'tags'), [
    ('libx264', 'yuv420p', dict(colorspace=1)), ('libx264', 'yuvj420p', dict(color_range=2)),
    ('ffv1', 'bgr0', {}), ('libx264rgb', 'rgb24', {}),
    ('libx264', 'yuv444p', dict(colorspace=1, color_range=2))])
def test_colours_stay(codec: str, pix_fmt: str, tags: dict, tmp_path: Path) -> None:
    """A wrong range shifts the mean of a channel by more; grey things hide a wrong matrix."""
    write_real(tmp_path / 'in/clip.mkv', 2, codec=codec, pix_fmt=pix_fmt, **tags)
    assert run(tmp_path / 'in', tmp_path / 'out', *SMALL) == 0
    old, new = (read(tmp_path / folder / 'clip.mkv')[0] for folder in ('in', 'out'))
    # RGB has no matrix, and what is made of it gets the default.
    assert (new.colorspace, new.color_range) == (old.colorspace or 2, old.color_range)
    means = [frame.to_ndarray(format='rgb24').mean((0, 1)) for frame in (old, new)]
    np.testing.assert_allclose(means[1], means[0], atol=2.5)


class TestAgain:

    def test_what_is_finished_is_left_alone(self, source: Path, prepared: Path, capsys) -> None:
        before = {path: path.stat().st_mtime_ns for path in map(prepared.joinpath, VIDEOS)}
        whole = contents(prepared)
        assert run(source, prepared, *SMALL) == 0
        assert {path: path.stat().st_mtime_ns for path in before} == before
        assert contents(prepared) == whole
        assert '5 of them finished before' in capsys.readouterr().out

    def test_what_is_missing_or_not_whole_is_made_anew(self, source: Path, prepared: Path,
                                                       tmp_path: Path, capsys) -> None:
        whole = contents(prepared)
        (prepared / 'one.mp4').unlink()
        (prepared / 'old.avi').write_bytes(whole['old.avi'][:-1])
        # What a killed run leaves: half a line, half a file.
        rows = (prepared / 'prepared.tsv').read_text().splitlines()
        (prepared / 'prepared.tsv').write_text('\n'.join(rows[:2]) + '\ngrey.we')
        (tmp_path / 'part').write_bytes(b'half')
        os.link(tmp_path / 'part', prepared / '.one.mp4.part')
        kept = (prepared / 'a b/größe.mp4').stat().st_mtime_ns
        assert run(source, prepared, *SMALL) == 0
        assert '1 of them finished before' in capsys.readouterr().out
        assert (prepared / 'a b/größe.mp4').stat().st_mtime_ns == kept
        assert_alike(prepared, whole)
        # Not written to: a process of the killed run may still do that.
        assert (tmp_path / 'part').read_bytes() == b'half'

    def test_another_source_of_the_same_name(self, tmp_path: Path) -> None:
        write_video(tmp_path / 'clip.mp4', 5)
        (tmp_path / 'in').mkdir()
        os.replace(tmp_path / 'clip.mp4', tmp_path / 'in/clip.mp4')
        run(tmp_path / 'in', tmp_path / 'out', *SMALL)
        write_video(tmp_path / 'in/clip.mp4', 9)
        run(tmp_path / 'in', tmp_path / 'out', *SMALL)
        assert table(tmp_path / 'out')['clip.mp4']['frames'] == '9'
        (tmp_path / 'in/clip.mp4').write_bytes(b'')
        assert run(tmp_path / 'in', tmp_path / 'out', *SMALL) == 3
        assert not (tmp_path / 'out/clip.mp4').exists()

    def test_other_settings(self, source: Path, prepared: Path) -> None:
        whole = contents(prepared)
        with pytest.raises(ValueError, match="must have one group of settings, but was begun with "
                                             "short_side 48, now 64; give the same"):
            run(source, prepared, '--short-side', 64)
        with pytest.raises(ValueError, match="tune 'fastdecode', now 'none'.*keyint=16.*keyint=8"):
            run(source, prepared, *SMALL, '--key-frame-interval', 8, '--tune', 'none')
        assert contents(prepared) == whole
        assert json.loads(whole['prepared.json'])['short_side'] == 48

    @pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
    def test_after_an_interruption(self, how: signal.Signals, source: Path,
                                   tmp_path: Path) -> None:
        folder, out = tmp_path / 'in', tmp_path / 'out'
        folder.mkdir()
        (folder / 'a.mp4').symlink_to(source / 'one.mp4')
        os.mkfifo(folder / 'b.mp4')  # A reader waits for ever; the search would leave it out.
        code = ('import runpy, sys; from amd_mm.datasets import files; del sys.argv[0]; '
                'found = lambda *to: files.Walk(*to, ["a.mp4", "b.mp4"], {}); files.walk = found; '
                f'sys.path.insert(0, {str(SCRIPT.parent)!r}); '
                'runpy.run_path(sys.argv[0], run_name="__main__")')
        process = subprocess.Popen(
            [sys.executable, '-c', code, SCRIPT, folder, out, *map(str, SMALL)],
            env=dict(os.environ, PYTHONPATH=str(Path(amd_mm.__file__).parents[1])),
            # Where tests run in the background, programs begin with it ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (
                (out / 'prepared.tsv').exists() and 'a.mp4' in table(out)):
            time.sleep(.05)
        try:
            # A terminal sends its signal to the children too.
            (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
            _, errors = process.communicate(timeout=60)
        finally:
            with suppress(ProcessLookupError):  # None is left, as it must be.
                os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == 130
        assert 'goes on from here' in errors and 'Traceback' not in errors
        kept = (out / 'a.mp4').stat().st_mtime_ns
        (folder / 'b.mp4').unlink()
        write_real(folder / 'b.mp4', 20)
        assert run(folder, out, *SMALL) == 0
        assert (out / 'a.mp4').stat().st_mtime_ns == kept
        assert run(folder, tmp_path / 'whole', *SMALL) == 0
        assert_alike(out, contents(tmp_path / 'whole'))


class TestFailures:

    def test_each_is_listed_and_stops_nothing(self, tmp_path: Path, capsys) -> None:
        (tmp_path / 'in').mkdir()
        broken = write_broken_videos(tmp_path / 'in')
        broken['cut'] = write_real(tmp_path / 'in/cut.avi', codec='mpeg4')
        # The decoder makes up what is missing of the last frame.
        last = packets(broken['cut'])[-1]
        broken['cut'].write_bytes(broken['cut'].read_bytes()[:last.pos + last.size * 3 // 4])
        write_video(tmp_path / 'in/good.mp4', 12)
        (tmp_path / 'in/gone.mp4').symlink_to(tmp_path / 'nowhere')
        (tmp_path / 'in/gone.txt').symlink_to(tmp_path / 'nowhere')
        assert run(tmp_path / 'in', tmp_path / 'out', *SMALL) == 3
        found = failures(tmp_path / 'out')
        assert set(found) == {path.name for path in broken.values()} | {'gone.mp4', 'gone.txt'}
        assert 'ends or is damaged within a frame' in found['cut.avi']
        assert 'frames of its index, but ends after' in found['truncated.mp4']
        assert 'must have a video stream' in found['no_video_stream.mp4']
        assert 'No such file' in found['gone.mp4'] and 'No such file' in found['gone.txt']
        assert all(reason.strip() for reason in found.values())
        assert set(contents(tmp_path / 'out')) == {
            'good.mp4', 'prepared.tsv', 'failed.txt', 'prepared.json'}
        said = capsys.readouterr()
        assert said.out.count('1 videos, 12 frames') == 1 and '9 files failed' in said.err
        # The next run tries them again.
        write_video(tmp_path / 'in/empty.mp4', 3)
        assert run(tmp_path / 'in', tmp_path / 'out', *SMALL) == 3
        assert set(found) - set(failures(tmp_path / 'out')) == {'empty.mp4'}
        assert set(table(tmp_path / 'out')) == {'good.mp4', 'empty.mp4'}

    def test_a_process_that_dies_or_hangs(self, source: Path, tmp_path: Path,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
        encode = video_encoding.encode

        def fragile(path: Path, target: Path, settings: object) -> tuple:
            target.write_bytes(b'half')
            if path.name == 'grey.mkv':
                os.kill(os.getpid(), signal.SIGKILL)
            if path.name == 'link.mp4':
                os._exit(3)
            if path.name == 'old.avi':
                signal.pause()
            return encode(path, target, settings)

        clock, wait = Clock(), connection.wait

        def hurried(running: dict, timeout: float) -> list:
            """Waits, and lets half an hour go by when all that runs is what hangs."""
            ready = wait(running, timeout=.05)
            if not ready and [name for name, *_ in running.values()] == ['old.avi']:
                clock.sleep(1801)
            return ready

        monkeypatch.setattr(video_encoding, 'encode', fragile)
        monkeypatch.setattr(video_encoding.connection, 'wait', hurried)
        monkeypatch.setattr(video_encoding, 'time', SimpleNamespace(monotonic=clock.time))
        assert run(source, tmp_path / 'out', *SMALL, '--timeout', 1800) == 3
        assert failures(tmp_path / 'out') == {
            'grey.mkv': 'its process ended with SIGKILL',
            'link.mp4': 'its process ended with status 3',
            'old.avi': 'not done after 1800 seconds, see --timeout'}
        assert set(table(tmp_path / 'out')) == {'a b/größe.mp4', 'one.mp4'}
        assert not [name for name in contents(tmp_path / 'out') if 'part' in name]

    def test_a_result_that_is_not_whole(self, source: Path, tmp_path: Path,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
        """Frames that the container loses, or shows at other times, are a failure."""
        write = video_encoding._write

        def lossy(packets: list, *others: object) -> None:
            write([packet for packet in packets if packet.pts != 3 * 512], *others)

        monkeypatch.setattr(video_encoding, '_write', lossy)
        with pytest.raises(ValueError, match='must have the 40 frames of the source, got 39'):
            video_encoding.encode(source / 'a b/größe.mp4', tmp_path / 'out', Settings())
        monkeypatch.setattr(video_encoding, '_write', write)
        video_encoding.encode(source / 'one.mp4', tmp_path / 'out', Settings())
        with pytest.raises(ValueError, match='must have 1 frames at the times'):
            video_encoding._check_written(tmp_path / 'out', [Fraction(1)])


@pytest.mark.parametrize(('folders', 'words'), [
    (('in', 'in'), 'neither of SRC and DST may lie in the other'),
    (('in', 'in/below'), 'neither of SRC and DST may lie in the other'),
    (('in', '.'), 'neither of SRC and DST may lie in the other'),
    (('in', 'link'), 'neither of SRC and DST may lie in the other'),
    (('in', 'used'), 'must be new, empty, or from this tool'),
    (('in', 'in/clip.mp4'), 'neither of SRC and DST may lie'),
    (('in', 'file'), 'DST must be a folder'),
    (('nowhere', 'out'), 'SRC must be a folder'),
    (('done', 'out'), 'SRC must not hold prepared.json'),
    (('used', 'out'), 'must hold at least one file ending in .*found none'),
    (('circle', 'out'), 'a link must not lead to a folder above it'),
])
def test_folders_that_are_refused(folders: tuple, words: str, tmp_path: Path) -> None:
    for name in ('in', 'used', 'done', 'circle'):
        (tmp_path / name).mkdir()
    (tmp_path / 'in/clip.mp4').write_bytes(b'original')
    (tmp_path / 'used/notes.txt').touch()
    (tmp_path / 'done/prepared.json').touch()
    (tmp_path / 'file').touch()
    (tmp_path / 'link').symlink_to(tmp_path / 'in')
    (tmp_path / 'circle/back').symlink_to(tmp_path)
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(ValueError, match=words):
        run(*(tmp_path / name for name in folders))
    assert sorted(tmp_path.rglob('*')) == before
    assert (tmp_path / 'in/clip.mp4').read_bytes() == b'original'


@pytest.mark.parametrize(('option', 'value', 'words'), [
    ('--short-side', 255, 'even .* and at least 16, got 255'),
    ('--short-side', 2, 'at least 16, got 2'),
    ('--key-frame-interval', 0, 'at least 1 frame, got 0'),
    ('--crf', 52, r'in \[0, 51\], got 52'),
])
def test_settings_that_are_refused(option: str, value: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        run(tmp_path, tmp_path / 'out', option, value)


def test_two_runs_at_once(source: Path, prepared: Path) -> None:
    with prepare_videos.claim(prepared, Settings(short_side=48)), pytest.raises(
            ValueError, match='only one run at a time may write to DST'):
        run(source, prepared, *SMALL)
    assert run(source, prepared, *SMALL) == 0


def test_quality_and_size_follow_crf(source: Path, tmp_path: Path) -> None:
    rows = []
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in/clip.mp4').symlink_to(source / 'a b/größe.mp4')
    for crf in (0, 23, 40):
        run(tmp_path / 'in', tmp_path / str(crf), *SMALL, '--crf', crf)
        row = table(tmp_path / str(crf))['clip.mp4']
        rows.append((float(row['psnr']), int(row['bytes_after'])))
    assert rows == sorted(rows, reverse=True) and rows[0][0] == math.inf
