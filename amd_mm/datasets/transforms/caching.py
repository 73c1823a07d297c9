"""Small videos, decoded once and kept in memory."""
from collections.abc import Iterable

import numpy as np

from amd_mm.datasets.transforms.decoding import PyAVInit
from amd_mm.datasets.transforms.indexed_video import IndexedVideo
from amd_mm.registry import TRANSFORMS
from amd_mm.values import FLAG, MAPPING, number, optional, takes


class _DecodedVideo:
    """Frames of a video, read as from an ``IndexedVideo``."""

    def __init__(self, frames: dict[int, np.ndarray], length: int, avg_fps: float) -> None:
        self.frames, self.length, self.avg_fps = frames, length, avg_fps

    def __len__(self) -> int:
        return self.length

    def decode(self, numbers: Iterable[int]) -> dict[int, np.ndarray]:
        # Transforms may work in place.
        return {number: self.frames[number].copy() for number in numbers
                if number in self.frames}


@TRANSFORMS.register_module()
class CachedPyAVInit(PyAVInit):
    """Like :class:`PyAVInit`, for data sets whose decoded frames fit into memory.

    A video is decoded whole when it is first asked for, and its frames are kept as long as there
    is room; the videos after that are decoded each time. :class:`PyAVDecode` comes next, and gives
    the same frames. Every worker of a dataloader keeps its own.

    Args:
        memory_gib: GiB of frames to keep, a process, above 0.
        multi_thread: As :class:`PyAVInit` has it.
        backend_args: As :class:`PyAVInit` has it.
    """

    @takes(memory_gib=number(above=0), multi_thread=FLAG, backend_args=optional(MAPPING))
    def __init__(self, memory_gib: float, multi_thread: bool = False,
                 backend_args: dict | None = None) -> None:
        super().__init__(multi_thread, backend_args)
        self.memory_gib = memory_gib
        self._room = memory_gib * 2**30
        self._videos: dict[str, _DecodedVideo] = {}

    def transform(self, results: dict) -> dict:
        """Open the file, or take up what was decoded.

        Args:
            results: Holds ``filename``.

        Returns:
            The same dictionary with ``video_reader`` for :class:`PyAVDecode`,
            ``total_frames`` and ``avg_fps``.

        Raises:
            ValueError: If the file is no video, or has no video stream.
        """
        name = results['filename']
        video = self._videos.get(name)
        if video is None:
            results = super().transform(results)
            video = self._keep(name, results['video_reader'])
            if video is None:
                return results
        results.update(video_reader=video, total_frames=len(video), avg_fps=video.avg_fps)
        return results

    def _keep(self, name: str, opened: IndexedVideo) -> _DecodedVideo | None:
        """Decode a video and keep it; None where there is no room."""
        first = opened.decode([0])
        if len(opened) * sum(frame.nbytes for frame in first.values()) > self._room:
            return None
        frames = opened.decode(range(len(opened)))
        self._room -= sum(frame.nbytes for frame in frames.values())
        self._videos[name] = _DecodedVideo(frames, len(opened), opened.avg_fps)
        return self._videos[name]

    def __repr__(self) -> str:
        return f'{type(self).__name__}(memory_gib={self.memory_gib})'
