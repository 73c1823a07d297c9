"""The metadata of an exported model: the same JSON in the file and beside it."""
import json
from pathlib import Path
from typing import Any, NamedTuple

from amd_mm.deploy.subject import BOXES, CLASSIFIER, Subject
from amd_mm.version import __version__

# Under which a file holds it.
KEY = 'amd_mm'
JSON_NAME = 'model.json'
FORMATS = dict(onnx='model.onnx', openvino='model.xml', pt2='model.pt2')


class Form(NamedTuple):
    """What kind of file is wanted.

    Attributes:
        target: ``'onnx'``, ``'openvino'`` or ``'pt2'``.
        precision: ``'float32'``, ``'bfloat16'``, ``'int8'`` or ``'int8-dynamic'``.
        in_graph: Whether pixels are normalised in the file.
        dynamic_batch: Whether a batch may have any size, not one alone.
        opset: Of ONNX.
    """

    target: str
    precision: str = 'float32'
    in_graph: bool = True
    dynamic_batch: bool = False
    opset: int = 17


def describe(subject: Subject, form: Form) -> dict[str, Any]:
    """All that a user of the file needs to know, as JSON."""
    batch = 'any' if form.dynamic_batch else 1
    axes = ['frames', 'rows', 'columns'][-len(subject.size):]
    if form.in_graph:
        pixels = dict(name='pixels', dtype='uint8', axes=['batch', *axes, 'channels'],
                      shape=[batch, *subject.size, 3])
    else:
        pixels = dict(name='pixels', dtype='float32', axes=['batch', 'channels', *axes],
                      shape=[batch, 3, *subject.size])
    inputs = [pixels]
    if subject.kind == BOXES:
        inputs.append(dict(name='boxes', dtype='float32', axes=['boxes', 'left top right bottom'],
                           shape=['any', 4]))
    return dict(
        format=1, made_by=f'amd_mm {__version__}', file=FORMATS[form.target], kind=subject.kind,
        precision=form.precision, inputs=inputs, output=_output(subject),
        colour='RGB', preprocess=dict(
            **subject.reading, mean=list(subject.mean), std=list(subject.std),
            normalise='in the file' if form.in_graph else 'by the caller: (pixels - mean) / std, '
            'then channels first',
            caller='decoding, sampling of frames, resizing and cropping are the caller\'s'),
        classes=None if subject.classes is None else list(subject.classes),
        source=dict(subject.source), licence=subject.licence or 'not stated',
        notes=subject.notes)


def _output(subject: Subject) -> dict[str, Any]:
    if subject.kind == CLASSIFIER:
        return dict(name='output', means='scores of the classes, together 1')
    if subject.kind == BOXES:
        return dict(name='output', means='scores of the classes of each box, each in [0, 1]')
    return dict(name='output', means='features')


def read_metadata(folder: Path) -> dict[str, Any]:
    """The JSON of an exported folder.

    Raises:
        ValueError: If it is not there, or of another format.
    """
    path = folder / JSON_NAME
    if not path.is_file():
        raise ValueError(f'{folder}: must be a folder that amd-mm export wrote, but it has no '
                         f'{JSON_NAME}; name such a folder')
    try:
        said = json.loads(path.read_text('utf-8'))
        version = said['format']
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path}: must be JSON of amd-mm export, but is not ({error}); export '
                         'again') from error
    if version != 1:
        raise ValueError(f'{path}: must be of format 1, got {version!r}; export again with this '
                         'version')
    return said
