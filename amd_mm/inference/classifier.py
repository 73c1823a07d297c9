"""A fine-tuned classifier of pictures or videos, its class names, and what it says."""
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmaction.apis import inference_recognizer
from mmaction.models.recognizers.base import BaseRecognizer
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope
from mmpretrain.apis import ImageClassificationInferencer
from mmpretrain.models.classifiers import BaseClassifier
from torch import Tensor, nn

from amd_mm.checkpoints import read_checkpoint
from amd_mm.datasets.transforms.pictures import read_picture
from amd_mm.inference.files import reading
from amd_mm.inference.fine_tuned import check_count, find_classes, load_exactly
from amd_mm.registry import MODELS

_VIDEO_RULE = 'a video that FFmpeg decodes'


class Prediction(NamedTuple):
    """One of the classes of an input.

    Attributes:
        label: From 0.
        name: Of the class; None where no names are known.
        score: In [0, 1], all classes together 1.
    """
    label: int
    name: str | None
    score: float


class Classifier:
    """The model of a fine-tuning config, fed by the config's own test pipeline.

    Built and run by the hosts: pictures by mmpretrain's ``ImageClassificationInferencer``, videos
    by mmaction2's ``inference_recognizer``. (mmaction2's inferencer loads what fits of a
    checkpoint and only logs the rest; here every weight has to be there.)

    Args:
        config: With a classifier of mmpretrain or a recognizer of mmaction2.
        checkpoint: Of that config.
        classes: A file with one name a line; None: the names in the checkpoint, of the data set
            in the config, or none.
        device: Where to compute.

    Raises:
        ValueError: For another model, a checkpoint that does not fit, or class names that are
            not as many as classes.
    """

    def __init__(self, config: Config, checkpoint: str | Path,
                 classes: str | Path | None = None, device: str | torch.device = 'cpu') -> None:
        # What the settings of an output can be compared by.
        self.description = repr((config.model, config.test_dataloader))
        config = copy.deepcopy(config)
        content = read_checkpoint(checkpoint)
        self.classes = find_classes(config, content, classes)
        self.model: Any = _build(config, self.classes)
        head: Any = (self.model.cls_head if isinstance(self.model, BaseRecognizer)
                     else self.model.head)
        self.num_classes: int = head.num_classes
        check_count(self.classes, self.num_classes)
        load_exactly(self.model, content)
        self.model.to(device).eval()
        self.is_video = isinstance(self.model, BaseRecognizer)
        self._pipeline = config.test_dataloader.dataset.pipeline
        if self.is_video:
            steps = [step for step in self._pipeline if not _kind(step).endswith('Init')]
            # Of frames in folders no decoder is named.
            self._whole = _compose(self._pipeline if len(steps) < len(self._pipeline) else [
                dict(type='amd_mm.PyAVInit'),
                *(_decoding(step, 'amd_mm.PyAVDecode') for step in steps)])
            self._window = _compose([_of_window(step) for step in steps])
        else:
            self._inferencer = _inferencer(self.model, config)

    def scores(self, path: str | Path) -> Tensor:
        """(classes,) of a file, with all views that testing takes.

        Raises:
            ValueError: If the file cannot be read.
        """
        if self.is_video:
            return self._recognize(dict(filename=str(path)), self._whole, path)
        with reading(path, 'a picture'):
            batch = next(self._inferencer.preprocess([read_picture(str(path))]))
        return self._inferencer.forward(batch)[0].pred_score.cpu()

    @property
    def window_shape(self) -> tuple[int, ...]:
        """Of what comes out for a window: (classes,)."""
        return (self.num_classes, )

    def window_scores(self, frames: Sequence[np.ndarray]) -> Tensor:
        """(classes,) of some frames of a video: one clip, the centre of the picture.

        Args:
            frames: (H, W, 3) uint8, RGB, all frames of the window in order.
        """
        return self.compute([self.prepare(frames)])[0]

    def prepare(self, frames: Sequence[np.ndarray]) -> dict:
        """A window's frames as the network takes them, for :meth:`compute`.

        Args:
            frames: As for :meth:`window_scores`. Only those that are sampled are looked at.
        """
        return self._window(dict(
            array=frames, total_frames=len(frames), label=-1, start_index=0, modality='RGB'))

    @torch.no_grad()
    def compute(self, samples: Sequence[dict]) -> Tensor:
        """(B, classes) of some windows that :meth:`prepare` has made, in one batch."""
        found = self.model.test_step(pseudo_collate(samples))
        return torch.stack([one.pred_score for one in found]).cpu()

    def top(self, scores: Tensor, count: int = 5) -> list[Prediction]:
        """The ``count`` best classes, best first; all, where there are fewer."""
        best = scores.topk(min(count, len(scores)))
        return [Prediction(label, None if self.classes is None else self.classes[label], score)
                for score, label in zip(best.values.tolist(), best.indices.tolist(), strict=True)]

    def window_length(self, fps: float) -> int:
        """Frames of a window as the config samples videos: its span, or 2 seconds if evenly."""
        for step in self._pipeline:
            if 'clip_len' in step:
                interval = step.get('frame_interval')
                return step['clip_len'] * interval if interval else max(1, round(2 * fps))
        raise ValueError('The test pipeline of the config must sample frames (clip_len) for '
                         'windows, but does not: give --window')

    def _recognize(self, source: dict, pipeline: Compose, name: str | Path) -> Tensor:
        def read(results: dict) -> dict:
            with reading(name, _VIDEO_RULE):
                return pipeline(results)

        source.update(label=-1, start_index=0, modality='RGB')
        return inference_recognizer(self.model, source, read).pred_score.cpu()


def _build(config: Config, classes: Sequence[str] | None) -> nn.Module:
    """The model without what only training uses, and without the student's checkpoint."""
    model = config.model
    for head in ('head', 'cls_head'):
        if 'num_classes' in (model.get(head) or {}) and model[head].num_classes is None:
            if classes is None:
                raise ValueError(
                    'The config takes the number of classes from the data, and neither the '
                    'checkpoint nor that data names them: give --classes FILE')
            model[head].num_classes = len(classes)
    if 'backbone' in model:
        model.backbone.init_cfg = None
    model.setdefault('data_preprocessor', config.get('data_preprocessor'))
    if model.data_preprocessor:
        model.data_preprocessor.pop('blending', None)
    built = MODELS.build({name: part for name, part in model.items() if name != 'train_cfg'})
    if not isinstance(built, (BaseClassifier, BaseRecognizer)):
        raise ValueError(
            'Predicting needs the config of a fine-tuned classifier of mmpretrain or recognizer '
            f'of mmaction2, got {model.type}')
    return built


def _inferencer(model: nn.Module, config: Config) -> ImageClassificationInferencer:
    # It takes pixels, and knows the step to leave out by the host's name only.
    dataset = config.test_dataloader.dataset
    dataset.pipeline = [step for step in dataset.pipeline
                        if _kind(step) not in ('LoadPicture', 'LoadImageFromFile')]
    model._config = config
    return ImageClassificationInferencer(model)


def _compose(pipeline: Sequence[dict]) -> Compose:
    with DefaultScope.overwrite_default_scope('mmaction'):
        return Compose(list(pipeline))


def _kind(step: dict) -> str:
    return step['type'].rpartition('.')[2]


def _decoding(step: dict, decoder: str) -> dict:
    return dict(type=decoder) if _kind(step).endswith('Decode') else step


def _of_window(step: dict) -> dict:
    """A step of the test pipeline for frames in memory, one clip and one crop."""
    if _kind(step) in ('ThreeCrop', 'TenCrop'):
        return dict(type='mmaction.CenterCrop', crop_size=step['crop_size'])
    if 'num_clips' in step:
        return dict(step, num_clips=1)
    return _decoding(step, 'mmaction.ArrayDecode')
