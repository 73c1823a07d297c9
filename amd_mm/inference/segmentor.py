"""A fine-tuned segmentor of pictures, its classes and colours, and the maps that it makes."""
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
from amd_mm.datasets.mask_dataset import default_palette
from amd_mm.inference.files import reading
from amd_mm.inference.fine_tuned import check_count, find_classes, load_exactly
from amd_mm.registry import DATASETS, MODELS


class Share(NamedTuple):
    """A class in a map.

    Attributes:
        label: From 0.
        name: Of the class; None where no names are known.
        share: Of the pixels, in (0, 1].
    """
    label: int
    name: str | None
    share: float


def is_segmentor(config: Config) -> bool:
    """Whether a config is one of mmsegmentation's encoders with a decoding head."""
    return 'decode_head' in config.model


class Segmentor:
    """The model of a segmentation config, fed by the config's own test pipeline.

    mmsegmentation builds and runs it, in windows where the config says so; every weight of the
    checkpoint has to fit, which mmsegmentation's own ``init_model`` does not ask.

    Args:
        config: With a model of mmsegmentation.
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
        self.classes = find_classes(config, content, classes)
        self.model = _build(config, self.classes)
        count = self.model.decode_head.num_classes
        check_count(self.classes, count)
        load_exactly(self.model, content)
        self.model.to(device).eval()
        meta = (content.meta.get('meta') or {}).get('dataset_meta') or {}
        palette = [tuple(colour) for colour in meta.get('palette') or ()]
        self.palette = palette if len(palette) == count else default_palette(count)
        self._dataset = config.test_dataloader.dataset
        pipeline = self._dataset.pipeline
        self._read = _compose([step for step in pipeline if _kind(step) != 'LoadAnnotations'])

    def labels(self, path: str | Path) -> np.ndarray:
        """(H, W) int64, the class of every pixel of a picture, at its own size.

        Raises:
            ValueError: If the file cannot be read.
        """
        with reading(path, 'a picture'):
            sample = self._read(dict(img_path=str(path)))
        with torch.no_grad():
            found, = self.model.test_step(pseudo_collate([sample]))
        return found.pred_sem_seg.data[0].cpu().numpy()

    def shares(self, labels: np.ndarray) -> list[Share]:
        """The classes of a map, the largest first."""
        found, counts = np.unique(labels, return_counts=True)
        order = np.argsort(-counts, kind='stable')
        return [Share(label, None if self.classes is None else self.classes[label],
                      count / labels.size)
                for label, count in zip(found[order].tolist(), counts[order].tolist(), strict=True)]

    def annotated(self) -> 'Annotated':
        """The pictures and masks that the config tests on."""
        return Annotated(self._dataset)


class Annotated:
    """Pictures with their masks, at their own size.

    Args:
        dataset: Config of the data set.
    """

    def __init__(self, dataset: dict) -> None:
        self.dataset: Any = DATASETS.build(dict(dataset, pipeline=[]))
        self._read = _compose([
            dict(type='amd_mm.LoadPicture'),
            *(step for step in dataset['pipeline'] if _kind(step) == 'LoadAnnotations')])

    def __len__(self) -> int:
        return len(self.dataset)

    def path(self, index: int) -> Path:
        """The file of a picture."""
        return Path(self.dataset.get_data_info(index)['img_path'])

    def truth(self, index: int) -> np.ndarray:
        """(H, W) uint8, the annotated class of every pixel; 255 where none counts.

        Raises:
            ValueError: If picture or mask cannot be read.
        """
        with reading(self.path(index), 'a picture with a mask'):
            return self._read(self.dataset.get_data_info(index))['gt_seg_map']


def _build(config: Config, classes: Sequence[str] | None) -> Any:
    """The model without what only training uses, and without the student's checkpoint."""
    model = config.model
    heads = [model[name] for name in ('decode_head', 'auxiliary_head') if model.get(name)]
    for head in heads:
        if 'num_classes' in head and head.num_classes is None:
            if classes is None:
                raise ValueError(
                    'The config takes the number of classes from the data, and neither the '
                    'checkpoint nor that data names them: give --classes FILE')
            head.num_classes = len(classes)
    model.backbone.init_cfg = None
    return MODELS.build(model)


def _compose(pipeline: Sequence[dict]) -> Compose:
    with DefaultScope.overwrite_default_scope('mmseg'):
        return Compose(list(pipeline))


def _kind(step: dict) -> str:
    return step['type'].rpartition('.')[2]
