"""AVA and data sets annotated like it, checked before they are used."""
import math
from collections.abc import Callable
from os.path import join
from typing import Any

from mmaction.datasets import AVADataset as _AVADataset

from amd_mm.datasets.ava_check import (
    Clock,
    FrameFolder,
    Video,
    VideoFile,
    check_annotations,
    check_proposals,
    frames_and_rate,
    read_exclusions,
    read_labels,
)
from amd_mm.datasets.keyed_dataset import TIME_LIMIT
from amd_mm.datasets.loading_process import LoadingProcess
from amd_mm.registry import DATASETS
from amd_mm.values import CALLABLE, CONFIG, FLAG, TEXT, either, list_of, takes, whole


@DATASETS.register_module()
class AVADataset(_AVADataset):
    """mmaction2's ``AVADataset`` that checks annotations, labels, files and proposals first.

    Nobody can forget the check: a data set that does not fit cannot be built, hence no training
    begins. Clips end where the frames of their video end, so that videos may have any length.

    Args:
        ann_file: ``video,timestamp,x1,y1,x2,y2,label,person`` lines, corners in [0, 1].
        pipeline: Transforms, as in mmaction2.
        label_file: Names of the labels.
        proposal_file: Boxes by ``video,timestamp`` (four digits), a pickle file.
        unnamed_labels: Whether labels that ``label_file`` does not name may be annotated; they
            are trained and not evaluated, as 20 of AVA's 80.
        missing_proposals: Whether key frames may have no proposal; the whole frame is proposed
            there.
        **kwargs: Further arguments of ``mmaction.AVADataset``; an unknown one is a TypeError
            there. With ``use_frames=False`` a video's name is its id, with or without
            extension, and ``start_index`` must be 0.

    Raises:
        ValueError: If something does not fit; names files and lines, see
            :func:`amd_mm.datasets.ava_check.check_annotations`.
    """

    @takes(
        ann_file=TEXT,
        pipeline=list_of(either(CONFIG, CALLABLE), least=0),
        label_file=TEXT,
        proposal_file=TEXT,
        unnamed_labels=FLAG,
        missing_proposals=FLAG,
        num_classes=whole(2),
        fps=whole(1),
        timestamp_start=whole(0),
        timestamp_end=whole(0),
        use_frames=FLAG)
    def __init__(self,
                 ann_file: str,
                 pipeline: list,
                 label_file: str,
                 proposal_file: str,
                 unnamed_labels: bool = False,
                 missing_proposals: bool = False,
                 **kwargs: Any) -> None:
        self.unnamed_labels = unnamed_labels
        self._key_frames: dict[str, str] = {}
        self.proposals: dict[str, Any]
        super().__init__(ann_file, pipeline=pipeline, label_file=label_file,
                         proposal_file=proposal_file, **kwargs)
        # Even with lazy_init: the proposals are compared with the annotations.
        self.full_init()
        check_proposals(self.proposals, proposal_file, self._key_frames, missing_proposals)
        del self._key_frames
        # The host proposes the whole frame where there is no entry, and fails at an empty one.
        self.proposals = {key: boxes for key, boxes in self.proposals.items() if len(boxes)}

    def load_data_list(self) -> list[dict]:
        """Check and read the annotations, one entry a key frame."""
        if not self.use_frames and self.start_index != 0:
            raise ValueError(
                'start_index of AVADataset must be 0 for videos (use_frames=False), whose frames '
                f'count from 0, got {self.start_index}')
        # With custom_classes num_classes counts those, but the files have all labels.
        num_labels = self.num_classes if self.custom_classes is None else math.inf
        self._key_frames, videos = check_annotations(
            self.ann_file,
            read_labels(self.label_file, num_labels),
            num_labels,
            Clock(self.timestamp_start, self.timestamp_end, self._FPS),
            self._opener(),
            read_exclusions(self.exclude_file),
            self.custom_classes,
            self.unnamed_labels)
        data_list = super().load_data_list()
        for info in data_list:
            video = videos.get(info['video_id'])
            if video is None:  # excluded, and left out after this
                continue
            if self.use_frames:
                info['total_frames'] = video.total_frames
            else:
                info['filename'] = video.path
        return data_list

    def _opener(self) -> Callable[[str], Video]:
        folder = self.data_prefix['img']
        if self.use_frames:
            return lambda video_id: FrameFolder(
                join(folder, video_id), self.filename_tmpl, self.start_index)
        # decord was seen to crash on damaged files, and to hang.
        probe = LoadingProcess(frames_and_rate, TIME_LIMIT)
        return lambda video_id: VideoFile(join(folder, video_id), probe)
