"""How a test pipeline cuts files, in words and numbers that need no package."""
from collections.abc import Mapping, Sequence
from typing import Any

_PLAIN = ('LoadPicture', 'LoadImageFromFile', 'PackInputs', 'PackActionInputs', 'FormatShape',
          'PyAVInit', 'PyAVDecode', 'DecordInit', 'DecordDecode', 'OpenCVInit', 'OpenCVDecode')


def describe_reading(pipeline: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What has to happen to a file before the network, one view of it.

    Returns:
        ``frames`` and ``stride`` (None: evenly over the video, or by another rule), ``short_side``
        (pixels it is resized to; None: it is not resized that way), ``crop`` ((rows, columns) of
        the centre; None: the whole), ``interpolation``, ``antialias`` (Pillow's way of making
        smaller, else OpenCV's); ``other``, the steps that these do not say.
    """
    said: dict[str, Any] = dict(short_side=None, crop=None, interpolation='bilinear',
                                antialias=False, other=[])
    for step in pipeline:
        kind = step['type'].rpartition('.')[2]
        if 'clip_len' in step:
            said.update(frames=step['clip_len'], stride=step.get('frame_interval'))
        elif kind == 'ResizeEdge' and step.get('edge', 'short') == 'short':
            said.update(short_side=step['scale'],
                        interpolation=step.get('interpolation', 'bilinear'),
                        antialias=step.get('backend') == 'pillow')
        elif kind == 'Resize' and -1 in _pair(step['scale']):
            said.update(short_side=max(_pair(step['scale'])))
        elif kind in ('CenterCrop', 'ThreeCrop', 'TenCrop'):
            columns, rows = _pair(step['crop_size'])
            said['crop'] = (rows, columns)
        elif kind not in _PLAIN:
            said['other'].append(kind)
    return said


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return first, second
