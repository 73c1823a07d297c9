"""Exact frames of a video for the least decoding that its container allows."""
from collections.abc import Container, Iterable, Iterator

import numpy as np
from av import VideoFrame
from av.container import InputContainer
from av.video.reformatter import VideoReformatter


class IndexedVideo:
    """A video whose packets are read, and whose frames are numbered, before any is decoded.

    Numbers follow the order in which frames are shown. Decoding begins at the last key frame
    before the first asked frame, ends with the last asked one, and leaves out what lies
    between and no other frame refers to. The packets are held in memory, compressed.

    Args:
        container: An open PyAV container; it is read to its end and closed.
        multi_thread: Whether FFmpeg may use several threads. It then decodes every frame on
            the way: what to leave out can be told to a single thread only.

    Raises:
        ValueError: If there is no video stream.
    """

    def __init__(self, container: InputContainer, multi_thread: bool = False) -> None:
        with container:
            if not container.streams.video:
                raise ValueError('a video must have a video stream, found none')
            stream = container.streams.video[0]
            self.avg_fps = float(stream.average_rate or 0)
            self._packets = [packet for packet in container.demux(stream) if packet.size]
            self._codec = stream.codec_context
        self._skips = not multi_thread
        self._codec.thread_type = 'AUTO' if multi_thread else 'NONE'
        if not multi_thread:
            self._codec.thread_count = 1
        # Opened before it is told to skip: some decoders would skip for good.
        self._codec.open()
        self._length = sum(not packet.is_discard for packet in self._packets)
        self._times = self._shown_at()

    def _shown_at(self) -> list[int]:
        """When each frame is shown, or nothing where the file does not say.

        AVI, for one, numbers packets in the order of decoding even where frames are shown
        in another one. Frames are then counted from the first.
        """
        times = [packet.pts for packet in self._packets if not packet.is_discard]
        told = [time for time in times if time is not None]
        if len(told) < len(times):
            return []
        ordered = sorted(set(told))
        known = len(ordered) == len(times) and not (self._codec.has_b_frames and ordered == times)
        return ordered if known else []

    def __len__(self) -> int:
        return self._length

    def decode(self, numbers: Iterable[int]) -> dict[int, np.ndarray]:
        """Decode frames; may be called again.

        Args:
            numbers: Frame numbers, counted from 0, in any order.

        Returns:
            (H, W, 3) uint8 RGB pictures by number. Frames that are not there, and damaged ones,
            are missing.
        """
        asked = {number for number in numbers if 0 <= number < len(self)}
        if not asked:
            return {}
        if not self._times:
            return _pictures(enumerate(self._decode(0)), asked)
        numbers_at = {self._times[number]: number for number in asked}
        key_frame = max((index for index, packet in enumerate(self._packets)
                         if packet.is_keyframe and packet.pts is not None
                         and packet.pts <= min(numbers_at)), default=0)
        pictures = {}
        # The second way is for codecs that hand out a frame later than they take its packet, and
        # for key frames that are none.
        for first, needed in ((key_frame, numbers_at if self._skips else None), (0, None)):
            frames = ((numbers_at[frame.pts], frame) for frame in self._decode(first, needed)
                      if frame.pts in numbers_at)
            pictures = _pictures(frames, asked)
            if len(pictures) == len(asked):
                break
        return pictures

    def _decode(self, first: int, needed: Container[int] | None = None) -> Iterator[VideoFrame]:
        """Frames from packet ``first`` on; those not ``needed`` only where others refer to them.

        ``needed`` holds the times of frames; None stands for all.
        """
        codec = self._codec
        codec.flush_buffers()
        for packet in self._packets[first:]:
            skip = needed is not None and packet.pts not in needed
            codec.skip_frame = 'NONREF' if skip else 'DEFAULT'
            yield from codec.decode(packet)
        yield from codec.decode(None)


def _pictures(frames: Iterable[tuple[int | None, VideoFrame]],
              asked: set[int]) -> dict[int, np.ndarray]:
    """The asked ones of numbered frames, as RGB; takes no frame more than it needs."""
    to_rgb = VideoReformatter()
    pictures: dict[int, np.ndarray] = {}
    for number, frame in frames:
        if number in asked and not frame.is_corrupt:
            pictures[number] = to_rgb.reformat(frame, format='rgb24').to_ndarray()
            if len(pictures) == len(asked):
                break
    return pictures
