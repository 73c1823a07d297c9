"""``size``, ``frames`` and ``patch`` of a config: said once, followed by networks and pipelines."""
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.utils import to_2tuple

__all__ = ['SHAPE_KEYS', 'settle_shape']

# Keys at the top of a config: pixels of a side, frames of a clip, pixels of a side of a patch.
SHAPE_KEYS = ('size', 'frames', 'patch')
# Settings of transforms that are pixels: a number, or a pair in which -1 is free.
_PIXELS = ('scale', 'crop_size', 'size', 'input_size')


def settle_shape(cfg: Config) -> None:
    """Bring networks and pipelines to a config's ``size``, ``frames`` and ``patch``, in place.

    The backbones take the values; so do those of frozen teachers, which keep patches of a size of
    their own and get as many tokens. In the pipelines every size in pixels changes by the ratio of
    new to old, and every clip has the frames. The keys are then gone from the config, so that
    what they stand for can be changed by itself.

    Raises:
        ValueError: If one is no positive whole number, or the model is none that it is known for.
    """
    said = {key: cfg[key] for key in SHAPE_KEYS if cfg.get(key) is not None}
    for key, value in said.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f'{key} at the top of a config must be a whole number of at least 1, '
                             f'got {value!r}; give a variable of your own another name')
    for key in SHAPE_KEYS:
        cfg.pop(key, None)
    if not said:
        return
    student = _student(cfg, said)
    old_size, old_patch = _side(student.get('img_size', 224)), student.get('patch_size', 16)
    size, patch = said.get('size', old_size), said.get('patch', old_patch)
    for backbone in _backbones(cfg.model):
        own = backbone.get('patch_size', 16)
        own = patch if own == old_patch else own
        backbone.update(img_size=size // patch * own, patch_size=own)
        if 'frames' in said and 'num_frames' in backbone:
            backbone.num_frames = said['frames']
    student.img_size = size  # whether its patches divide it or not: it says so itself
    for step in _steps(cfg._cfg_dict):
        for key in _PIXELS:
            if key in step:
                step[key] = _scaled(step[key], size / old_size)
        if 'frames' in said and 'clip_len' in step:
            step.clip_len = said['frames']


def _student(cfg: Config, said: dict[str, int]) -> ConfigDict:
    model = cfg.get('model') or {}
    student = model.get('backbone') or {}
    kind = str(student.get('type'))
    if not kind.startswith('amd_mm.') or any(
            key in model for key in ('roi_head', 'decode_head', 'rpn_head')):
        raise ValueError(
            f'{", ".join(said)} at the top of a config must belong to pre-training, classification '
            f'or neighbours with a backbone of amd_mm, got {model.get("type")} with {kind}; set '
            'the size of each part instead')
    if 'frames' in said and 'num_frames' not in student:
        raise ValueError(f'frames must be of a config of clips, got {kind}; remove it')
    return student


def _side(size: Any) -> int:
    rows, columns = to_2tuple(size)
    if rows != columns:
        raise ValueError(f'size and patch at the top of a config need square input, got img_size '
                         f'{size}; set the size of each part instead')
    return rows


def _backbones(model: ConfigDict) -> Iterator[ConfigDict]:
    """The student's, and those of frozen teachers."""
    yield model.backbone
    teachers = model.get('teacher') or []
    for teacher in teachers if isinstance(teachers, (list, tuple)) else [teachers]:
        teacher = teacher.get('teacher', teacher)
        if 'backbone' in teacher:
            yield teacher.backbone


def _steps(value: Any, inside: bool = False, seen: set[int] | None = None) -> Iterator[ConfigDict]:
    """The transforms of all pipelines below, each once: configs share them."""
    seen = set() if seen is None else seen
    if isinstance(value, dict):
        if inside and id(value) not in seen:
            seen.add(id(value))
            yield value
        for key, item in value.items():
            yield from _steps(item, inside or key == 'pipeline', seen)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _steps(item, inside, seen)


def _scaled(value: Any, ratio: float) -> Any:
    """Pixels by a ratio; numbers that are no pixels, as parts of an area, stay."""
    if isinstance(value, (list, tuple)):
        return type(value)(_scaled(item, ratio) for item in value)
    return round(value * ratio) if isinstance(value, int) and value > 0 else value
