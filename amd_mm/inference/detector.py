"""A fine-tuned detector of pictures, its classes, and the objects that it finds."""
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope

from amd_mm.checkpoints import read_checkpoint
from amd_mm.inference.files import reading
from amd_mm.inference.fine_tuned import check_count, find_classes, load_exactly
from amd_mm.registry import DATASETS, MODELS


class Detection(NamedTuple):
    """An object in a picture.

    Attributes:
        label: From 0.
        name: Of the class; None where no names are known.
        score: In [0, 1].
        box: Left, upper, right and lower edge in pixels of the picture.
        mask: (H, W) bool, where the detector makes masks; else None.
    """
    label: int
    name: str | None
    score: float
    box: tuple[float, float, float, float]
    mask: np.ndarray | None


def is_detector(config: Config) -> bool:
    """Whether a config is one of mmdetection's two-stage detectors of pictures."""
    return 'rpn_head' in config.model and 'roi_head' in config.model


class Detector:
    """The model of a detection config, fed by the config's own test pipeline.

    mmdetection builds and runs it; every weight of the checkpoint has to fit, which mmdetection's
    own ``init_detector`` does not ask.

    Args:
        config: With a detector of mmdetection.
        checkpoint: Of that config.
        classes: A file with one name a line; None: the names in the checkpoint, of the data set
            in the config, or none.
        device: Where to compute.

    Raises:
        ValueError: For a checkpoint that does not fit, or class names that are not as many as
            classes.
    """

    def __init__(self, config: Config, checkpoint: str | Path,
                 classes: str | Path | None = None, device: str | torch.device = 'cpu') -> None:
        config = copy.deepcopy(config)
        content = read_checkpoint(checkpoint)
        if config.model.roi_head.bbox_head.num_classes is None:
            # Data of one's own: the names that mmdet knows of its type are COCO's.
            unnamed = copy.deepcopy(config)
            unnamed.test_dataloader.dataset.pop('type')
            self.classes = find_classes(unnamed, content, classes)
        else:
            self.classes = find_classes(config, content, classes)
        self.model = _build(config, self.classes)
        self.num_classes: int = self.model.roi_head.bbox_head.num_classes
        check_count(self.classes, self.num_classes)
        load_exactly(self.model, content)
        self.model.to(device).eval()
        self._dataset = config.test_dataloader.dataset
        with DefaultScope.overwrite_default_scope('mmdet'):
            steps = [step for step in config.test_dataloader.dataset.pipeline
                     if not step['type'].endswith('LoadAnnotations')]
            self._read = Compose(steps)
            # Without the first, which reads the file.
            self._prepare = Compose(steps[1:])

    def detections(self, path: str | Path, min_score: float = 0.) -> list[Detection]:
        """The objects in a picture, best first.

        Args:
            path: Of the picture.
            min_score: What is less certain is left out.

        Raises:
            ValueError: If the file cannot be read.
        """
        with reading(path, 'a picture'):
            sample = self._read(dict(img_path=str(path), img_id=0))
        return self._detected(sample, min_score)

    def detections_in(self, picture: np.ndarray, min_score: float = 0.) -> list[Detection]:
        """The objects in a picture in memory, best first.

        Args:
            picture: (H, W, 3) uint8, RGB.
            min_score: What is less certain is left out.
        """
        image = np.ascontiguousarray(picture[..., ::-1])
        return self._detected(self._prepare(dict(
            img=image, img_path='', img_id=0, img_shape=image.shape[:2],
            ori_shape=image.shape[:2])), min_score)

    def _detected(self, sample: dict, min_score: float) -> list[Detection]:
        with torch.no_grad():
            result, = self.model.test_step(pseudo_collate([sample]))
        found = result.pred_instances
        found = found[found.scores >= min_score].cpu().numpy()
        objects = [
            Detection(int(label), None if self.classes is None else self.classes[label],
                      float(score), tuple(box.tolist()),
                      found.masks[number] if 'masks' in found else None)
            for number, (label, score, box) in enumerate(
                zip(found.labels, found.scores, found.bboxes, strict=True))]
        return sorted(objects, key=lambda one: -one.score)

    def annotated(self) -> 'AnnotatedObjects':
        """The pictures and objects that the config tests on.

        Raises:
            ValueError: If no names of classes are known.
        """
        if self.classes is None:
            raise ValueError('Annotated objects must have classes with names, but none are known: '
                             'give --classes FILE')
        return AnnotatedObjects(
            self._dataset, self.classes, bool(self.model.roi_head.with_mask))


class AnnotatedObjects:
    """Pictures with what is annotated in them, at their own size.

    Args:
        dataset: Config of the data set, of mmdetection.
        classes: Their names.
        with_masks: Whether masks are read as well.
    """

    def __init__(self, dataset: dict, classes: Sequence[str], with_masks: bool) -> None:
        self.classes, self.with_masks = classes, with_masks
        self.dataset: Any = DATASETS.build(dict(
            dataset, metainfo=dict(classes=tuple(classes)), pipeline=[]))
        with DefaultScope.overwrite_default_scope('mmdet'):
            self._read = Compose([
                dict(type='amd_mm.LoadPicture'),
                dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=with_masks)])

    def __len__(self) -> int:
        return len(self.dataset)

    def path(self, index: int) -> Path:
        """The file of a picture."""
        return Path(self.dataset.get_data_info(index)['img_path'])

    def truth(self, index: int) -> list[Detection]:
        """The annotated objects, of score 1, but for those that do not count.

        Raises:
            ValueError: If the picture cannot be read.
        """
        with reading(self.path(index), 'a picture'):
            found = self._read(self.dataset.get_data_info(index))
        masks = found['gt_masks'].to_ndarray().astype(bool) if self.with_masks else None
        return [
            Detection(int(label), self.classes[label], 1., tuple(box.tolist()),
                      None if masks is None else masks[number])
            for number, (label, box, ignored) in enumerate(zip(
                found['gt_bboxes_labels'], found['gt_bboxes'].tensor, found['gt_ignore_flags'],
                strict=True)) if not ignored]


def _build(config: Config, classes: Sequence[str] | None) -> Any:
    """The model without the student's checkpoint."""
    model = config.model
    for name in ('bbox_head', 'mask_head'):
        head = model.roi_head.get(name)
        if head and head.get('num_classes', 0) is None:
            if classes is None:
                raise ValueError(
                    'The config takes the number of classes from the data, and neither the '
                    'checkpoint nor that data names them: give --classes FILE')
            head.num_classes = len(classes)
    model.backbone.init_cfg = None
    return MODELS.build(model)
