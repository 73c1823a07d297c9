"""Decoders that give exactly the frames that were asked for, or an error.

One truth, whichever decoder: what FFmpeg's command shows. PyAV reads any file so; decord and
OpenCV read the files in which a look at the container finds nothing that they get wrong, and
PyAV the others.
"""
import io
import logging
import os
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import mmcv
import numpy as np
from mmaction.datasets.transforms import DecordInit as _DecordInit
from mmaction.datasets.transforms import OpenCVInit as _OpenCVInit
from mmcv.transforms import BaseTransform
from mmengine.fileio import join_path
from mmengine.logging import print_log

from amd_mm.datasets.files import FileError, reason_of
from amd_mm.datasets.reading import read_bytes
from amd_mm.datasets.transforms.containers import open_container
from amd_mm.datasets.transforms.indexed_video import IndexedVideo
from amd_mm.datasets.transforms.pictures import read_picture
from amd_mm.registry import TRANSFORMS
from amd_mm.values import FLAG, MAPPING, TEXT, one_of, optional, takes, whole

# Reasons for which a process has already said that PyAV reads in another decoder's place.
_told: set[tuple[str, str]] = set()


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Whatever a reader raises in here, as an error with the file's name.

    Damaged files made PyAV raise AttributeError and UnicodeDecodeError beside its own.

    Raises:
        FileError: In place of every other exception but those that no file causes.
    """
    try:
        yield
    except (FileError, MemoryError, ImportError):
        raise
    except Exception as error:  # what a reader raises differs from one to the other
        raise FileError(path, reason_of(error)) from error


def _finish(results: dict, frames: dict[int, np.ndarray]) -> dict:
    """Put the asked frames, from a table by number, where the next transforms look."""
    asked = np.ravel(results['frame_inds']).tolist()
    missing = sorted(set(asked) - set(frames))
    if missing:
        raise FileError(
            results['filename'], f'must hold its {results["total_frames"]} frames whole, but frame '
            f'{missing[0]} (from 0) is damaged or not there')
    # A repeated frame is an array of its own each time: some transforms work in place.
    results['imgs'] = [frames[number] if number not in asked[:place] else frames[number].copy()
                       for place, number in enumerate(asked)]
    results['original_shape'] = results['img_shape'] = results['imgs'][0].shape[:2]
    results['video_reader'] = None
    height, width = results['img_shape']
    for name in ('gt_bboxes', 'proposals'):
        if results.get(name) is not None:
            # AVA's are shares of the picture; the hosts' transforms want pixels.
            results[name] = (results[name] * np.array([width, height] * 2)).astype(np.float32)
    return results


def _opened(results: dict, video: IndexedVideo) -> dict:
    results.update(video_reader=video, total_frames=len(video), avg_fps=video.avg_fps)
    return results


@TRANSFORMS.register_module()
class PyAVInit(BaseTransform):
    """Opens a video with PyAV and numbers its frames, without decoding any.

    Args:
        multi_thread: Whether FFmpeg may use several threads for one video; slower where many
            workers load, see :class:`IndexedVideo`.
        backend_args: Storage backend of mmengine; None infers it from the path.
    """

    @takes(multi_thread=FLAG, backend_args=optional(MAPPING))
    def __init__(self, multi_thread: bool = False, backend_args: dict | None = None) -> None:
        self.multi_thread = multi_thread
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Open the file.

        Args:
            results: Holds ``filename``.

        Returns:
            The same dictionary with ``video_reader`` for :class:`PyAVDecode`,
            ``total_frames`` and ``avg_fps``.

        Raises:
            FileError: If the file cannot be read, is no video, or has no video stream.
        """
        content = read_bytes(results['filename'], self.backend_args)
        with _reading(results['filename']):
            video = IndexedVideo(open_container(content), self.multi_thread)
        return _opened(results, video)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(multi_thread={self.multi_thread})'


@TRANSFORMS.register_module()
class PyAVDecode(BaseTransform):
    """Decodes the asked frames of a video that :class:`PyAVInit` opened, exactly."""

    def transform(self, results: dict) -> dict:
        """Decode.

        Args:
            results: Holds ``video_reader`` and ``frame_inds``.

        Returns:
            The same dictionary with ``imgs``, a list of (H, W, 3) uint8 RGB arrays.

        Raises:
            FileError: If an asked frame is damaged or not there.
        """
        numbers = np.unique(results['frame_inds']).tolist()
        with _reading(results['filename']):
            frames = results['video_reader'].decode(numbers)
        return _finish(results, frames)

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


class _OpensWhatItReads(BaseTransform):
    """Opens a video with the host's class, or with PyAV where that would read it wrongly."""

    decoder: str
    kwargs: dict

    @abstractmethod
    def _open(self, results: dict, content: bytes) -> dict:
        """The results with the host's ``video_reader`` of this content."""

    def transform(self, results: dict) -> dict:
        """Open the file.

        Args:
            results: Holds ``filename``.

        Returns:
            The same dictionary with ``video_reader``, ``total_frames`` and ``avg_fps``.

        Raises:
            FileError: If the file cannot be read, is no video, or has no video stream.
        """
        content = read_bytes(results['filename'], self.kwargs or None)
        with _reading(results['filename']):
            video = IndexedVideo(open_container(content))
            reason = video.doubt()
        if not reason:
            with _reading(results['filename']):
                opened = self._open(results, content)
            if opened['total_frames'] == len(video):
                return dict(opened, avg_fps=video.avg_fps)
            reason = f'{self.decoder} counts {opened["total_frames"]} frames of {len(video)}'
        if (self.decoder, reason) not in _told:
            _told.add((self.decoder, reason))
            print_log(f'PyAV reads {results["filename"]!r}, and others like it, in place of '
                      f'{self.decoder}: {reason}', 'current', logging.WARNING)
        return _opened(results, video)


class _DecodesWhatWasOpened(BaseTransform):
    """Decodes with the host's class, or with PyAV what that has opened."""

    def transform(self, results: dict) -> dict:
        """Decode.

        Args:
            results: Holds ``video_reader`` and ``frame_inds``.

        Returns:
            The same dictionary with ``imgs``, a list of (H, W, 3) uint8 RGB arrays.

        Raises:
            FileError: If an asked frame is damaged or not there.
        """
        reader, numbers = results['video_reader'], np.unique(results['frame_inds']).tolist()
        read = reader.decode if isinstance(reader, IndexedVideo) else partial(self._read, reader)
        with _reading(results['filename']):
            frames = read(numbers)
        return _finish(results, frames)

    @staticmethod
    @abstractmethod
    def _read(reader: Any, numbers: list[int]) -> dict[int, np.ndarray]:
        """Frames by number, as RGB."""


@TRANSFORMS.register_module()
class DecordInit(_OpensWhatItReads, _DecordInit):
    """mmaction2's ``DecordInit`` for files that decord reads as FFmpeg does, else PyAV.

    decord 0.6 seeks wrongly in streams, AVI, edit lists and open groups of pictures, crashes on
    files that are cut off, and opens what a playlist names.

    Args:
        num_threads: Threads of decord for one video, at least 1.
        io_backend: Storage backend of mmengine.
        backend_args: Arguments of that backend.
    """

    decoder = 'decord'

    @takes(num_threads=whole(1), io_backend=TEXT, backend_args=optional(MAPPING))
    def __init__(self, num_threads: int = 1, io_backend: str = 'disk',
                 backend_args: dict | None = None) -> None:
        super().__init__(io_backend, num_threads, **(backend_args or {}))

    def _open(self, results: dict, content: bytes) -> dict:
        # As the host does: its libraries take long to load.
        import decord

        reader = decord.VideoReader(io.BytesIO(content), num_threads=self.num_threads)
        return dict(results, video_reader=reader, total_frames=len(reader))


@TRANSFORMS.register_module()
class DecordDecode(_DecodesWhatWasOpened):
    """Decodes the asked frames of a video that :class:`DecordInit` opened, exactly."""

    @staticmethod
    def _read(reader: Any, numbers: list[int]) -> dict[int, np.ndarray]:
        present = [number for number in numbers if number < len(reader)]
        return dict(zip(present, reader.get_batch(present).asnumpy(), strict=True))


@TRANSFORMS.register_module()
class OpenCVInit(_OpensWhatItReads, _OpenCVInit):
    """mmaction2's ``OpenCVInit`` for files that OpenCV reads as FFmpeg does, else PyAV.

    OpenCV 5 gives other colours for more than 8 bits, memory as it was for interlaced videos,
    frame counts from duration and rate, and never returns from AV1.

    Args:
        io_backend: Storage backend of mmengine.
        backend_args: Arguments of that backend.
    """

    decoder = 'OpenCV'
    # The host's __del__ reads it, of an object whose arguments were refused too.
    tmp_folder = None

    @takes(io_backend=TEXT, backend_args=optional(MAPPING))
    def __init__(self, io_backend: str = 'disk', backend_args: dict | None = None) -> None:
        super().__init__(io_backend, **(backend_args or {}))

    def _open(self, results: dict, content: bytes) -> dict:
        # OpenCV wants a path: of a file in memory, which goes when it is closed.
        descriptor = os.memfd_create('video', os.MFD_CLOEXEC)
        with open(descriptor, 'wb') as file:
            file.write(content)
            file.flush()
            reader = mmcv.VideoReader(f'/proc/self/fd/{descriptor}')
        return dict(results, video_reader=reader, total_frames=len(reader))


@TRANSFORMS.register_module()
class OpenCVDecode(_DecodesWhatWasOpened):
    """Decodes the asked frames of a video that :class:`OpenCVInit` opened, exactly.

    Where a frame cannot be decoded, mmaction2's class takes an earlier one without a word.
    """

    @staticmethod
    def _read(reader: Any, numbers: list[int]) -> dict[int, np.ndarray]:
        frames = ((number, reader[number]) for number in numbers if number < len(reader))
        return {number: mmcv.bgr2rgb(frame) for number, frame in frames if frame is not None}


@TRANSFORMS.register_module()
class RawFrameDecode(BaseTransform):
    """Reads extracted frames; like mmaction2's, but an unreadable one is an error with its path.

    Pictures of one channel come out with three, those of another size than the first asked one
    scaled to it.

    Args:
        decoding_backend: ``'cv2'``, by the rules of :class:`LoadPicture`, or another backend of
            ``mmcv.imfrombytes``: ``'turbojpeg'``, ``'pillow'``.
        backend_args: Storage backend of mmengine; None infers it from the path.
    """

    @takes(
        decoding_backend=one_of('cv2', 'turbojpeg', 'pillow'), backend_args=optional(MAPPING))
    def __init__(self, decoding_backend: str = 'cv2', backend_args: dict | None = None) -> None:
        self.decoding_backend = decoding_backend
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Read.

        Args:
            results: Holds ``frame_dir``, ``filename_tmpl``, ``frame_inds`` and perhaps
                ``offset``, as ``amd_mm.RawframeDataset`` gives them.

        Returns:
            The same dictionary with ``imgs``, a list of (H, W, 3) uint8 RGB arrays.

        Raises:
            FileError: If a frame is missing, empty or cannot be decoded.
        """
        frames = {}
        for number in np.unique(results['frame_inds']).tolist():
            name = results['filename_tmpl'].format(number + results.get('offset', 0))
            path = join_path(results['frame_dir'], name)
            frames[number] = self._read(path)
        height, width = frames[int(np.ravel(results['frame_inds'])[0])].shape[:2]
        return _finish(results, {
            number: frame if frame.shape[:2] == (height, width)
            else mmcv.imresize(frame, (width, height), interpolation='bicubic')
            for number, frame in frames.items()})

    def _read(self, path: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        if self.decoding_backend == 'cv2':
            return mmcv.bgr2rgb(read_picture(path, self.backend_args))
        content = read_bytes(path, self.backend_args)
        try:
            return mmcv.imfrombytes(content, channel_order='rgb', backend=self.decoding_backend)
        except Exception as error:  # Each backend has its own.
            raise FileError(
                path, f'is no picture that {self.decoding_backend} can decode') from error

    def __repr__(self) -> str:
        return f'{type(self).__name__}(decoding_backend={self.decoding_backend!r})'
