"""From a checkpoint to what is exported: by its config, by its weights, or by its library."""
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from amd_mm.checkpoints import Checkpoint, read_checkpoint
from amd_mm.checkpoints.facts import IMAGENET, facts_of
from amd_mm.checkpoints.matching import strip_outer_prefixes
from amd_mm.checkpoints.saved_config import saved_config
from amd_mm.datasets.files import PICTURES, VIDEOS
from amd_mm.datasets.labels import read_classes
from amd_mm.datasets.lists import ListForm, read_list
from amd_mm.deploy.ava import box_subject
from amd_mm.deploy.foundation import library_encoder
from amd_mm.deploy.networks import Scores
from amd_mm.deploy.reading import describe_reading
from amd_mm.deploy.subject import CLASSIFIER, ENCODER, Subject
from amd_mm.export.convert import Options, class_names, convert_weights
from amd_mm.export.onnx_file import build_model
from amd_mm.inference import (
    Classifier,
    digest,
    find_files,
    frame_interval_of,
    read_clip,
    read_image,
)
from amd_mm.inference.fine_tuned import check_count

# Types that a config inside a checkpoint may name; others could be any function of Python.
_TYPE = re.compile(r'((mmpretrain|mmaction|mmdet|mmengine|mmcv|amd_mm)\.)?[A-Z]\w*\Z')


class Wish(NamedTuple):
    """What of a checkpoint is wanted.

    Attributes:
        config: That it was trained with; None: the one inside it, where there is one.
        classes: File of class names; None: those that checkpoint or config name.
        part: ``'all'`` that it holds, or ``'encoder'``.
        licence: Of the weights.
        architecture: timm's name of a foundation encoder in timm's layout.
        size: (rows, columns) of frames with boxes.
    """

    config: Config | None = None
    classes: str | None = None
    part: str = 'all'
    licence: str | None = None
    architecture: str | None = None
    size: tuple[int, int] | None = None


def read_subject(path: str | Path, wish: Wish) -> Subject:
    """What is to be exported.

    Raises:
        ValueError: If the checkpoint cannot be read, or nothing builds its network exactly.
    """
    checkpoint = read_checkpoint(path)
    config = wish.config if wish.config is not None else config_inside(checkpoint)
    head = _head_of(config)
    if wish.part == 'all' and head in ('head', 'cls_head') and _holds(checkpoint, head):
        assert config is not None
        subject = _by_config(path, config, wish)
    elif wish.part == 'all' and head == 'roi_head' and _holds(checkpoint, head):
        assert config is not None
        subject = box_subject(checkpoint, config, wish.classes, wish.size)
    elif wish.architecture is not None:
        subject = _by_library(checkpoint, path, wish)
    else:
        try:
            subject = _by_weights(checkpoint, config, wish)
        except ValueError:
            # A folder that is not of our networks may still be of its library's.
            if 'model_type' not in {**checkpoint.config, **checkpoint.config.get(
                    'vision_config', {})}:
                raise
            subject = _by_library(checkpoint, path, wish)
    subject.source = dict(name=Path(path).name, sha256=digest(path))
    subject.licence = wish.licence
    return subject


def config_inside(checkpoint: Checkpoint) -> Config | None:
    """The config that MMEngine wrote into a checkpoint, if it names hosts' and our types alone."""
    said = saved_config(checkpoint.mmengine)
    parts = {name: said[name] for name in (
        'model', 'data_preprocessor', 'test_dataloader', 'default_scope') if name in said}
    types = [node['type'] for node in _dicts(list(parts.values())) if 'type' in node]
    if 'model' not in parts or not all(isinstance(name, str) and _TYPE.match(name)
                                       for name in types):
        return None
    return Config(parts)


def _dicts(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from _dicts(child)


def _head_of(config: Config | None) -> str | None:
    model = (config or {}).get('model') or {}
    return next((name for name in ('roi_head', 'cls_head', 'head') if model.get(name)), None)


def _holds(checkpoint: Checkpoint, part: str) -> bool:
    return any(name.startswith(f'{part}.')
               for name in strip_outer_prefixes(checkpoint.state_dict))


def _by_config(path: str | Path, config: Config, wish: Wish) -> Subject:
    """A fine-tuned model of a host, as its config builds it."""
    if config.get('default_scope'):
        init_default_scope(config.default_scope)
    classifier = Classifier(config, path, wish.classes)
    preprocessor: Any = classifier.model.data_preprocessor
    if not classifier.is_video and not preprocessor.to_rgb:
        raise ValueError('Export: data_preprocessor must have to_rgb=True, so that files take RGB '
                         'as everything else does, got False')
    mean, std = _statistics(preprocessor)
    reading = describe_reading(classifier.pipeline)
    frames = (reading['frames'], ) if classifier.is_video else ()
    size = reading['crop'] or _input_size(classifier.model.backbone)
    return Subject(
        Scores(classifier.model, classifier.is_video).eval(), CLASSIFIER, (*frames, *size),
        mean, std, classifier.classes, classifier.view, reading, {},
        notes=[] if not reading['other'] else [
            f'testing has steps that "preprocess" does not say: {", ".join(reading["other"])}'])


def _input_size(backbone: Any) -> tuple[int, int]:
    size = getattr(backbone, 'img_size', 224)
    return (size, size) if isinstance(size, int) else tuple(size)


def _statistics(preprocessor: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation in RGB; a preprocessor that turns channels has them after the turn."""
    if not getattr(preprocessor, '_enable_normalize', True):
        return (0.,) * 3, (1.,) * 3
    mean, std = (tuple(getattr(preprocessor, name).flatten().tolist()) for name in ('mean', 'std'))
    return mean, std


class _Features(nn.Module):
    """Pooled features or tokens of our encoder or classifier, scores where it has a head."""

    def __init__(self, network: nn.Module, scores: bool) -> None:
        super().__init__()
        self.network, self.scores = network, scores

    def forward(self, pixels: Tensor) -> Tensor:
        output = self.network(pixels)
        return output.softmax(-1) if self.scores else output


def _by_weights(checkpoint: Checkpoint, config: Config | None, wish: Wish) -> Subject:
    """Our own network with the weights in it, whatever library they come from."""
    options = Options('amd_mm', part='encoder' if _is_pretraining(checkpoint) else wish.part)
    result = convert_weights(checkpoint, options)
    network = build_model(result)
    net = result.net
    if net.channels != 3:
        raise ValueError(f'Checkpoint {checkpoint.path}: must be for 3 channels to be exported '
                         f'with its pixels, got {net.channels}; convert it with '
                         'amd-mm convert --to onnx')
    assert net.image_size is not None and net.num_frames is not None
    facts = facts_of(checkpoint)
    mean, std = (facts.mean, facts.std) if facts.mean and facts.std else IMAGENET
    if facts.mean is None:
        result.notes.append("pixels are normalised with ImageNet's statistics: nothing says which")
    scores = 'head.weight' in result.canonical
    names = read_classes(wish.classes) if wish.classes else tuple(class_names(checkpoint)) or None
    if scores:
        check_count(names, len(result.canonical['head.weight']))
    is_video = net.modality == 'video'
    size = (*((net.num_frames, ) if is_video else ()), *net.image_size)
    read, reading = _plain_reading(size, frame_interval_of(config or {}))
    return Subject(_Features(network, scores).eval(), CLASSIFIER if scores else ENCODER, size,
                   tuple(mean), tuple(std), names if scores else None, read, reading, {},
                   notes=result.notes)


def _by_library(checkpoint: Checkpoint, path: str | Path, wish: Wish) -> Subject:
    """An encoder that timm or Transformers builds."""
    network, (mean, std) = library_encoder(checkpoint, path, wish.architecture)
    read, reading = _plain_reading(network.size, 1)
    return Subject(network.eval(), ENCODER, network.size, mean, std, None, read, reading, {})


def _plain_reading(size: tuple[int, ...],
                   stride: int) -> tuple[Callable[[Path], np.ndarray], dict[str, Any]]:
    """How files are read where no test pipeline says it: the largest part in the middle."""
    is_video = len(size) == 3

    def read(path: Path) -> np.ndarray:
        item = (read_clip(path, (size[0], size[-2], size[-1]), stride) if is_video
                else read_image(path, (size[-2], size[-1])))
        return np.ascontiguousarray(np.moveaxis(item.pixels.numpy(), 0, -1))

    reading: dict[str, Any] = dict(
        short_side=min(size[-2:]), crop=size[-2:], other=[], antialias=False,
        interpolation='bilinear' if is_video else 'bicubic')
    if is_video:
        reading.update(frames=size[0], stride=stride)
    return read, reading


def _is_pretraining(checkpoint: Checkpoint) -> bool:
    return _holds(checkpoint, 'decoder') or _holds(checkpoint, 'neck')


def some_files(folder: str | Path, subject: Subject, count: int) -> list[Path]:
    """At most ``count`` pictures or videos of a folder or list, evenly over it."""
    files = find_files([folder], subject.is_video)
    if len(files) <= count:
        return files
    return [files[index * len(files) // count] for index in range(count)]


def labelled_files(path: str, subject: Subject) -> list[tuple[Path, int]]:
    """Paths and labels of a list; paths start at its folder.

    Raises:
        ValueError: If the list cannot be read, has lines without a label, or labels that the
            classifier has no class for.
    """
    form = ListForm(VIDEOS if subject.is_video else PICTURES, labels='needed',
                    num_classes=None if subject.classes is None else len(subject.classes))
    return [(Path(path).parent / line.path, line.labels[0]) for line in read_list(path, form)]


def stack(subject: Subject, files: list[Path]) -> list[np.ndarray]:
    """Pixels of files, each with a batch axis.

    Raises:
        ValueError: If a file cannot be read, or comes out in another size than the network's.
    """
    found = []
    for path in files:
        pixels = subject.read(path)
        if pixels.shape != (*subject.size, 3):
            raise ValueError(
                f'{path}: must come out as {" x ".join(map(str, subject.size))} pixels, as the '
                f'network takes, got {" x ".join(map(str, pixels.shape[:-1]))}: its test pipeline '
                'does not crop; leave such files out')
        found.append(pixels[None])
    return found


@torch.no_grad()
def run_torch(module: nn.Module, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
    """Output of a module for the inputs of a runtime."""
    return module(*(torch.from_numpy(value) for value in feeds.values())).numpy()
