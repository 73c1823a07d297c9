"""Damaged videos: whole frames of the size of the first, or an error in words."""
import re

import numpy as np
from clips import ODD
from hypothesis import given
from hypothesis import strategies as st

from amd_mm.datasets.files import FileError
from amd_mm.datasets.transforms import PyAVDecode, PyAVInit
from amd_mm.datasets.transforms.containers import open_container
from amd_mm.datasets.transforms.frame_stream import frames_in_order
from amd_mm.datasets.transforms.indexed_video import IndexedVideo

FILES = {name: (ODD / name).read_bytes() for name in (
    'plain.mp4', 'cut.ts', 'remux.avi', 'live.webm', 'rot_90.mp4', 'trimmed.mp4', 'hevc_cut.mp4')}


@st.composite
def damaged(draw) -> bytes:
    """A small video with bits flipped, a part zeroed or repeated, or its end cut off."""
    content = bytearray(FILES[draw(st.sampled_from(sorted(FILES)))])
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content) - 1))
        length = draw(st.integers(1, 200))
        match draw(st.sampled_from(['flip', 'zero', 'cut', 'repeat'])):
            case 'flip':
                content[start] ^= 1 << draw(st.integers(0, 7))
            case 'zero':
                content[start:start + length] = bytes(len(content[start:start + length]))
            case 'cut':
                del content[max(start, 1):]
            case 'repeat':
                content[start:start] = content[start:start + length]
    return bytes(content)


def assert_in_words(error: ValueError) -> None:
    assert re.match(r'(a|the) video', str(error)) and 'Errno' not in str(error), error


@given(content=damaged())
def test_frames_or_an_error_in_words(content):
    try:
        video = IndexedVideo(open_container(content))
        found = video.decode(range(0, len(video), 3))
    except ValueError as error:
        return assert_in_words(error)
    assert len({picture.shape for picture in found.values()}) <= 1
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in found.values())


@given(content=damaged())
def test_in_order_too(content):
    shapes = set()
    try:
        for number, frame in enumerate(frames_in_order(open_container(content))):
            shapes.add(frame.picture.shape)
            if number == 100:
                break
    except ValueError as error:
        assert_in_words(error)
    assert len(shapes) <= 1


@given(content=damaged())
def test_transforms_name_the_file(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / 'damaged'
    path.write_bytes(content)
    try:
        results = PyAVInit()(dict(filename=str(path)))
        PyAVDecode()(dict(results, frame_inds=range(0, max(results['total_frames'], 1), 3)))
    except FileError as error:
        assert error.path == str(path)
