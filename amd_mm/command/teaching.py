"""A recipe's teacher made to fit a file: network, taps, size of the input."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from amd_mm.checkpoints.architecture import USUAL_FRAMES, USUAL_SIZE
from amd_mm.command.encoders import Encoder, backbone_settings, depth_of
from amd_mm.export.convert import Options
from amd_mm.export.foundation import FOUNDATION

# What of a recipe's teacher holds for one that another library builds, too.
_KEPT = ('frames', 'normalize', 'registers', 'match')


class Lesson(NamedTuple):
    """What a config has to say so that a file teaches.

    Attributes:
        model: Settings below ``model``.
        shape: ``size``, ``frames`` and ``patch``, where they are not the recipe's.
        convert: What the file's positions have to be interpolated for; None: they fit.
    """
    model: dict[str, Any]
    shape: dict[str, int]
    convert: Options | None


def moved_taps(taps: Sequence[int], old: int, new: int) -> tuple[int, ...]:
    """Blocks at the same share of another depth."""
    return tuple(max(1, round(tap * new / old)) for tap in taps)


def teacher_settings(encoder: Encoder, base: Config, shape: dict[str, int], out: Path) -> Lesson:
    """Fit a recipe to the file of its teacher.

    Args:
        encoder: The file.
        base: The recipe.
        shape: What of ``size``, ``frames`` and ``patch`` was asked for; the teacher's holds else.
        out: Work dir, where an interpolated teacher is to be.

    Raises:
        ValueError: If the file is an encoder of the other kind of data.
    """
    if encoder.foundation is not None:
        return Lesson(dict(teacher=_foundation(encoder, base)), shape, None)
    net, student = encoder.net, base.model.backbone
    assert net is not None
    is_video = 'num_frames' in student
    if (net.modality == 'video') != is_video:
        raise ValueError(f'--teacher must be an encoder of {"video" if is_video else "image"}s as '
                         f'the data is, but {encoder.file} is one of {net.modality}s; take another')
    side = (net.image_size or USUAL_SIZE)[0]
    frames = net.num_frames or USUAL_FRAMES
    own = dict(size=side, patch=net.patch, **(dict(frames=frames) if is_video else {}))
    wanted = own | shape
    recipe = dict(size=student.img_size, patch=student.patch_size,
                  frames=student.get('num_frames'))
    said = {key: value for key, value in wanted.items() if value != recipe[key]}
    model: dict[str, Any] = {}
    backbone = backbone_settings(net, base.model.teacher.backbone)
    if wanted['patch'] != net.patch:
        # Each has its own; the input of the teacher is resized to as many tokens.
        said.pop('patch', None)
        model['backbone'] = dict(patch_size=wanted['patch'])
        backbone['patch_size'] = net.patch
        said['size'] = wanted['size']
    if 'tubelet_size' in backbone:
        model.setdefault('backbone', {})['tubelet_size'] = net.tubelet
    seen = wanted['size'] // wanted['patch'] * net.patch
    fits = (seen, wanted.get('frames', 1)) == (side, frames if is_video else 1)
    convert = None if fits else Options(
        target='amd_mm', part='encoder', img_size=seen,
        num_frames=wanted['frames'] if is_video else None)
    teacher: dict[str, Any] = dict(
        checkpoint=str(encoder.file if convert is None else out / 'teacher.pth'))
    if backbone:
        teacher['backbone'] = backbone
    depth = depth_of(base.model.teacher.backbone)
    if net.depth != depth:
        teacher['taps'] = moved_taps(base.model.teacher.taps, depth, net.depth)
    model['teacher'] = teacher
    return Lesson(model, said, convert)


def _foundation(encoder: Encoder, base: Config) -> dict[str, Any]:
    entry, teacher = encoder.foundation, base.model.teacher
    assert entry is not None
    known = next(one for one in FOUNDATION if one.architecture == teacher.architecture)
    taps = moved_taps(teacher.taps, known.depth, entry.depth)
    if encoder.is_folder:
        kept = {key: teacher[key] for key in _KEPT if key in teacher}
        return dict(_delete_=True, type='amd_mm.TransformersTeacher', taps=taps,
                    checkpoint=str(encoder.file), **kept)
    settings: dict[str, Any] = dict(checkpoint=str(encoder.file))
    if entry.architecture != teacher.architecture:
        settings.update(architecture=entry.architecture, taps=taps)
    return settings
