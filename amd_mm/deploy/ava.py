"""AVA's model with boxes as an input."""
from pathlib import Path
from typing import Any

import numpy as np
from mmaction.evaluation import read_labelmap
from mmengine.config import Config
from mmengine.registry import init_default_scope

from amd_mm.checkpoints import Checkpoint
from amd_mm.datasets.labels import read_classes
from amd_mm.deploy.networks import BoxScores
from amd_mm.deploy.reading import describe_reading
from amd_mm.deploy.subject import BOXES, Subject
from amd_mm.inference import read_clip
from amd_mm.inference.fine_tuned import load_exactly
from amd_mm.registry import MODELS


def box_subject(checkpoint: Checkpoint, config: Config, classes: str | None,
                size: tuple[int, int] | None) -> Subject:
    """mmaction2's model of boxes, as its config builds it.

    Args:
        checkpoint: Of that config.
        config: With a ``roi_head``.
        classes: File of names, one a line, the background first; None: the config's label file,
            where it is there.
        size: (rows, columns) of the frames; None: the short side of testing, four to three.

    Raises:
        ValueError: If the checkpoint does not fit, or the model is another than AVA's.
    """
    init_default_scope(config.get('default_scope') or 'mmaction')
    model: Any = MODELS.build(dict(
        config.model, init_cfg=None, backbone=dict(config.model.backbone, init_cfg=None)))
    load_exactly(model, checkpoint)
    dataset = config.test_dataloader.dataset
    reading = describe_reading(dataset.pipeline)
    backbone = model.backbone
    rows, columns = size or _four_to_three(reading['short_side'] or 256,
                                           backbone.architecture.patch)
    frames, stride = reading['frames'], reading['stride'] or 1
    reading.update(crop=(rows, columns))

    def read(path: Path) -> np.ndarray:
        item = read_clip(path, (frames, rows, columns), stride)
        return np.ascontiguousarray(np.moveaxis(item.pixels.numpy(), 0, -1))

    head = model.roi_head.bbox_head
    names = read_classes(classes) if classes else _names(dataset.get('label_file'),
                                                         head.num_classes)
    preprocessor = model.data_preprocessor
    mean, std = (tuple(getattr(preprocessor, name).flatten().tolist()) for name in ('mean', 'std'))
    return Subject(
        BoxScores(model, (rows, columns)).eval(), BOXES, (frames, rows, columns), mean, std, names,
        read, reading, {}, notes=[
            'boxes are left, top, right, bottom in pixels of the resized and cropped frames; '
            'score 0 is of the background class'])


def _four_to_three(short: int, patch: int) -> tuple[int, int]:
    return round(short / patch) * patch, round(short * 4 / 3 / patch) * patch


def _names(label_file: str | None, count: int) -> tuple[str, ...] | None:
    """Names by number, where the file of labels is there."""
    if label_file is None or not Path(label_file).is_file():
        return None
    with open(label_file, encoding='utf-8') as lines:
        items, _ = read_labelmap(lines)
    by_number = {item['id']: item['name'] for item in items}
    return ('background', *(by_number.get(label, f'class {label}') for label in range(1, count)))
