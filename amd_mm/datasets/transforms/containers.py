"""Opens video files, and nothing but them."""
import io
from typing import BinaryIO

import av
from av.container import InputContainer

# FFmpeg's demuxers of what holds its own frames. Playlists and descriptions of streams (HLS, DASH,
# ffconcat, SDP, ...) would make FFmpeg open other files and addresses.
_DEMUXERS = ('mov', 'matroska', 'avi', 'mpegts', 'mpeg', 'mpegvideo', 'h264', 'hevc', 'asf', 'flv',
             'ogg', 'rm', 'mxf', 'ivf', 'dv', 'gif')
# No demuxer opens anything by itself: files are handed to it open.
_OPTIONS = dict(format_whitelist=','.join(_DEMUXERS), protocol_whitelist='none')
_RULE = ('a video must be a container that holds its own frames (MP4, Matroska, AVI, MPEG and the '
         'like)')
_HEAD = 12  # bytes that tell the commonest containers


def open_container(source: bytes | BinaryIO) -> InputContainer:
    """Open a video with PyAV, whatever its name, by its content.

    Args:
        source: The file, whole or open at its start.

    Raises:
        ValueError: If it is empty, no container of the list above, or damaged at its head.
    """
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    head = source.read(_HEAD)
    if not head:
        raise ValueError('a video must hold something, but the file is empty')
    source.seek(0)
    try:
        return av.open(source, 'r', format=container_format(head), options=_OPTIONS)
    except av.error.ArgumentError as error:
        # What FFmpeg says of a format that is not on the list.
        raise ValueError(f'{_RULE}, but its content is of another kind, such as a playlist or a '
                         'picture') from error
    except (av.error.FFmpegError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f'{_RULE}, but FFmpeg finds no such thing in the file: it is damaged, '
                         'incomplete or something else') from error


def container_format(head: bytes) -> str | None:
    """FFmpeg's name of the container, where the first bytes tell.

    Trying all takes as long as the rest of opening a file.
    """
    if head[4:8] == b'ftyp':
        return 'mp4'
    return 'matroska' if head[:4] == b'\x1a\x45\xdf\xa3' else None
