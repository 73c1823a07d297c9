import io
from pathlib import Path

import pytest
from clips import ODD, write_video

from amd_mm.datasets.transforms.containers import open_container


def test_a_file_is_taken_whole_or_open(tmp_path):
    path = write_video(tmp_path / 'a.mkv', 5)
    for source in (path.read_bytes(), io.BytesIO(path.read_bytes()), path.open('rb')):
        with open_container(source) as container:
            assert sum(1 for _ in container.decode(video=0)) == 5


@pytest.mark.parametrize(('content', 'message'), [
    (b'', 'must hold something, but the file is empty'),
    (b'\0' * 4000, 'FFmpeg finds no such thing in the file'),
    (b'v=0\n', 'FFmpeg finds no such thing'),
    ((ODD / 'sdp.mp4').read_bytes(), 'of another kind, such as a playlist'),
    ((ODD / 'concat.mp4').read_bytes(), 'of another kind, such as a playlist'),
    (b'\xff\xd8\xff\xe0\x00\x10JFIF\x00' + bytes(600), 'of another kind'),
])
def test_what_is_no_container_is_refused_in_words(content, message):
    with pytest.raises(ValueError, match=message) as caught:
        open_container(content)
    assert 'Errno' not in str(caught.value)


def test_every_prefix_of_a_file_is_opened_or_refused_in_words():
    content = Path(ODD, 'plain.mp4').read_bytes()
    for length in (1, 7, 8, 11, 12, 40, 400, 1200):
        try:
            open_container(content[:length]).close()
        except ValueError as error:
            assert 'must be a container' in str(error)
