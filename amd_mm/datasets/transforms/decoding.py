"""Decoders that give exactly the frames that were asked for, or an error.

Where the hosts' classes do, as ``mmaction.DecordInit`` with ``mmaction.DecordDecode``, they
are used as they are.
"""
import io

import av
import mmcv
import numpy as np
from mmaction.datasets.transforms import OpenCVDecode as _OpenCVDecode
from mmaction.datasets.transforms import OpenCVInit as _OpenCVInit
from mmcv.transforms import BaseTransform
from mmengine.fileio import get, join_path

from amd_mm.datasets.transforms.indexed_video import IndexedVideo
from amd_mm.registry import TRANSFORMS
from amd_mm.values import FLAG, MAPPING, TEXT, one_of, optional, takes


def _finish(results: dict, frames: dict[int, np.ndarray]) -> dict:
    """Put the asked frames, from a table by number, where the next transforms look."""
    asked = np.ravel(results['frame_inds']).tolist()
    missing = sorted(set(asked) - set(frames))
    if missing:
        raise ValueError(
            f'a video must hold the {results["total_frames"]} frames it promises, but frame '
            f'{missing[0]} cannot be decoded')
    # A repeated frame is an array of its own each time: some transforms work in place.
    results['imgs'] = [frames[number] if number not in asked[:place] else frames[number].copy()
                       for place, number in enumerate(asked)]
    results['original_shape'] = results['img_shape'] = results['imgs'][0].shape[:2]
    results['video_reader'] = None
    return results


def _container_format(content: bytes) -> str | None:
    """FFmpeg's name of the container, where the first bytes tell.

    Trying all takes as long as the rest of opening a file.
    """
    if content[4:8] == b'ftyp':
        return 'mp4'
    return 'matroska' if content[:4] == b'\x1a\x45\xdf\xa3' else None


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
            ValueError: If the file has no video stream.
        """
        content = get(results['filename'], backend_args=self.backend_args)
        container = av.open(io.BytesIO(content), 'r', format=_container_format(content))
        video = IndexedVideo(container, self.multi_thread)
        results.update(video_reader=video, total_frames=len(video), avg_fps=video.avg_fps)
        return results

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
            ValueError: If the file holds fewer frames than it promises.
        """
        numbers = np.unique(results['frame_inds']).tolist()
        return _finish(results, results['video_reader'].decode(numbers))

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class OpenCVInit(_OpenCVInit):
    """mmaction2's ``OpenCVInit`` that says so when a file cannot be opened.

    Args:
        io_backend: Storage backend of mmengine.
        backend_args: Arguments of that backend.
    """

    # The host's __del__ reads it, of an object whose arguments were refused too.
    tmp_folder = None

    @takes(io_backend=TEXT, backend_args=optional(MAPPING))
    def __init__(self, io_backend: str = 'disk', backend_args: dict | None = None) -> None:
        super().__init__(io_backend, **(backend_args or {}))

    def transform(self, results: dict) -> dict:
        """Open the file.

        Args:
            results: Holds ``filename``.

        Returns:
            The same dictionary with ``video_reader`` and ``total_frames``.

        Raises:
            OSError: If OpenCV cannot open the file.
        """
        try:
            return super().transform(results)
        except ValueError as error:
            # The host takes the length, which OpenCV gives as a negative number then.
            raise OSError('a video must have a readable video stream, found none') from error


@TRANSFORMS.register_module()
class OpenCVDecode(_OpenCVDecode):
    """mmaction2's ``OpenCVDecode`` without its stand-ins.

    Where a frame cannot be decoded, the host's class takes an earlier one without a word.
    """

    def transform(self, results: dict) -> dict:
        """Decode.

        Args:
            results: Holds ``video_reader`` and ``frame_inds``.

        Returns:
            The same dictionary with ``imgs``, a list of (H, W, 3) uint8 RGB arrays.

        Raises:
            ValueError: If the file holds fewer frames than it promises.
        """
        frames = {}
        for number in np.unique(results['frame_inds']).tolist():
            frame = results['video_reader'][number]
            if frame is not None:
                frames[number] = mmcv.bgr2rgb(frame)
        return _finish(results, frames)


@TRANSFORMS.register_module()
class RawFrameDecode(BaseTransform):
    """Reads extracted frames; like mmaction2's, but an unreadable one is an error with its path.

    Pictures of one channel come out with three.

    Args:
        decoding_backend: Backend of ``mmcv.imfrombytes``: ``'cv2'``, ``'turbojpeg'``,
            ``'pillow'``.
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
            OSError: If a frame is missing or cannot be decoded.
        """
        frames = {}
        for number in np.unique(results['frame_inds']).tolist():
            name = results['filename_tmpl'].format(number + results.get('offset', 0))
            path = join_path(results['frame_dir'], name)
            content = get(path, backend_args=self.backend_args)
            try:
                frames[number] = mmcv.imfrombytes(
                    content, channel_order='rgb', backend=self.decoding_backend)
            except Exception as error:  # Each backend has its own.
                raise OSError(
                    f'{path} is no picture that {self.decoding_backend} can decode') from error
        return _finish(results, frames)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(decoding_backend={self.decoding_backend!r})'
