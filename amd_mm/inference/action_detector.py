"""A detector of actions (AVA) on videos of any length: who does what, where, at which second."""
import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope
from torch import Tensor

from amd_mm.checkpoints import read_checkpoint
from amd_mm.datasets.ava_check import read_labels
from amd_mm.datasets.files import printable
from amd_mm.inference.files import reading
from amd_mm.inference.fine_tuned import load_exactly
from amd_mm.inference.people import People, Person
from amd_mm.inference.windows import VIDEO_RULE, video_frames, windows_by_count
from amd_mm.registry import MODELS


class Moment(NamedTuple):
    """A key frame and the people in it.

    Attributes:
        time: Of the frame, in seconds.
        people: Those that were given.
        scores: (people, classes), each in [0, 1]; class 0 is the background.
    """
    time: float
    people: list[Person]
    scores: Tensor


def is_action_detector(config: Config) -> bool:
    """Whether a config is one of mmaction2's detectors of actions in given boxes."""
    head = config.model.get('roi_head') or {}
    return str(head.get('type')).endswith('AVARoIHead')


class ActionDetector:
    """The model of an AVA config, fed by the config's own test pipeline.

    Args:
        config: With mmaction2's detector of actions.
        checkpoint: Of that config.
        labels: File of the labels' names, as AVA's; None: the config's, where it is there.
        device: Where to compute.

    Raises:
        ValueError: For a checkpoint that does not fit, or labels that do not.
    """

    def __init__(self, config: Config, checkpoint: str | Path, labels: str | Path | None = None,
                 device: str | torch.device = 'cpu') -> None:
        config = copy.deepcopy(config)
        dataset = config.test_dataloader.dataset
        self.num_classes: int = config.model.roi_head.bbox_head.num_classes
        file = labels or dataset.get('label_file')
        there = labels is not None or (file is not None and Path(file).is_file())
        self.names = read_labels(str(file), self.num_classes) if there else {}
        config.model.backbone.init_cfg = None
        self.model: Any = MODELS.build(config.model)
        load_exactly(self.model, read_checkpoint(checkpoint))
        self.model.to(device).eval()
        steps = [step for step in dataset.pipeline if not step['type'].endswith('Init')]
        place = next(place for place, step in enumerate(steps) if step['type'].endswith('Decode'))
        sampling = next(step for step in steps if 'clip_len' in step)
        self._length: int = sampling['clip_len'] * sampling['frame_interval']
        with DefaultScope.overwrite_default_scope('mmaction'):
            self._take = Compose([*steps[:place], dict(type='mmaction.ArrayDecode')])
            self._make = Compose(steps[place + 1:])

    def moments(self, path: Path, people: People, stride: float = 1.) -> Iterator[Moment]:
        """Key frames of a video, every frame of which is decoded once.

        The first is in the middle of the first clip; the last, of the last one.

        Args:
            path: Of the video; it is never in memory as a whole.
            people: Tells where people are; where nobody is, nothing is computed.
            stride: Seconds from key frame to key frame.

        Raises:
            ValueError: At the frame that cannot be decoded.
        """
        video = video_frames(path)
        is_empty = True
        for window in windows_by_count(
                video.frames, self._length, max(1, round(stride * video.fps))):
            is_empty = False
            with reading(path, VIDEO_RULE):
                key = window.frames[len(window.frames) // 2]
                found = people(path, key.time, key.picture)
                scores = self.scores(window.pictures, [person.box for person in found])
            yield Moment(key.time, found, scores)
        if is_empty:
            raise ValueError(f'{printable(path)}: must be {VIDEO_RULE}, but holds no frame')

    @torch.no_grad()
    def scores(self, frames: Sequence[np.ndarray], boxes: Sequence[Sequence[float]]) -> Tensor:
        """(boxes, classes) of what is done in boxes of the middle frame.

        Args:
            frames: (H, W, 3) uint8, RGB, of the span that the config samples. Only those that are
                sampled are looked at.
            boxes: Left, upper, right and lower edge in shares of the picture.
        """
        if not boxes:
            return torch.empty(0, self.num_classes)
        # As a video of a frame a second, whose key frame is at the second in the middle.
        sample = self._take(dict(
            array=frames, total_frames=len(frames), fps=1, timestamp=len(frames) // 2,
            timestamp_start=0, start_index=0, modality='RGB'))
        rows, columns = sample['original_shape']
        pixels = (np.array(boxes) * [columns, rows, columns, rows]).astype(np.float32)
        # The host packs boxes only where some are annotated.
        sample.update(proposals=pixels, gt_bboxes=pixels.copy(),
                      gt_labels=np.zeros((len(boxes), self.num_classes), np.float32))
        result, = self.model.test_step(pseudo_collate([self._make(sample)]))
        return result.pred_instances.scores.cpu()
