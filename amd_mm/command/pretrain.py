"""``amd-mm pretrain`` and :func:`amd_mm.pretrain`: one line to a pre-trained student."""
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from amd_mm.command.config_file import Code, merged
from amd_mm.command.data import Data, find_data
from amd_mm.command.encoders import Encoder, depth_of, find_encoder
from amd_mm.command.recipes import Recipe, find_recipe, path_of, students
from amd_mm.command.run import Wish, make_config, start
from amd_mm.command.teaching import moved_taps, teacher_settings
from amd_mm.command_line import read_config_file
from amd_mm.export.convert import Options
from amd_mm.export.files import convert_checkpoint
from amd_mm.profiling.memory import module_bytes, step_memory
from amd_mm.profiling.trial import trial_model

__all__ = ['pretrain']


def pretrain(data: str | Path, out: str | Path, teacher: str | Path | None = None,
             student: str = 'vit-small', method: str | None = None, *,
             modality: str | None = None, size: int | None = None, frames: int | None = None,
             patch: int | None = None, epochs: int | None = None, batch: int | None = None,
             processes: int | None = None, cfg_options: Mapping[str, Any] | None = None,
             resume: bool = False, overwrite: bool = False,
             config_only: bool = False) -> Path | None:
    """Pre-train a student on pictures or videos, with a teacher or from pixels alone.

    What it has decided stands in ``OUT/config.py``, which ``amd-mm train`` goes through again.

    Args:
        data: Folder, of which all below counts, or list of paths.
        out: Work dir.
        teacher: Checkpoint of any layout, or a name of the zoo whose file is at hand.
        student: Its encoder, such as ``'vit-small'``.
        method: Such as ``'amd'``; None: that, or without a teacher ``'mae'`` or ``'videomae'``.
        modality: ``'image'`` or ``'video'``, where the data holds both.
        size: Pixels of a side of the input; None: the teacher's, else the recipe's.
        frames: Of a clip, likewise.
        patch: Pixels of a side of a patch, likewise.
        epochs: None: the recipe's.
        batch: Samples of an update; None: the recipe's, less for few samples.
        processes: None: one an accelerator, else one.
        cfg_options: Further settings of the config, by dotted keys.
        resume: Go on from the newest checkpoint in ``out``, if there is one.
        overwrite: Start anew in a folder that holds a run.
        config_only: Write the config, and do not train.

    Returns:
        The newest checkpoint; None with ``config_only``.

    Raises:
        ValueError: If something does not fit; nothing was trained then.
    """
    wish = Wish(Path(out).absolute(), epochs, batch, processes, cfg_options or {}, resume,
                overwrite, config_only)
    found = find_data(data, modality)
    print(found.said, file=sys.stderr)
    if student not in students():
        raise ValueError(f'--student must be one of {", ".join(students())}, got {student!r}; '
                         'other sizes: --cfg-options model.backbone.KEY=VALUE')
    encoder = None if teacher is None else find_encoder(teacher, '--teacher')
    recipe = _recipe(found, method, student, encoder)
    base = _base(recipe)
    model = _student(recipe, student, base)
    shape = {key: value for key, value in dict(size=size, frames=frames, patch=patch).items()
             if value is not None}
    convert: Options | None = None
    if encoder is not None:
        lesson = teacher_settings(encoder, base, shape, wish.out)
        model, shape, convert = merged(model, lesson.model), lesson.shape, lesson.convert
    if base.model.get('taps'):
        depths = depth_of(base.model.backbone), _depth(base, student, wish.options)
        if depths[0] != depths[1]:
            model['taps'] = moved_taps(base.model.taps, *depths)
    settings = dict(shape, train_dataloader=_data(found), **(dict(model=model) if model else {}))
    comment = (f'Written by amd-mm pretrain: {recipe.method} on {found.samples} '
               f'{found.modality}s.\nAgain: amd-mm train THIS_FILE')
    path, notes = make_config(recipe.base, settings, wish, found.samples, comment, _needed)
    if convert is not None and encoder is not None:
        convert_checkpoint(encoder.file, model['teacher']['checkpoint'], convert, force=True)
        notes.insert(0, f'teacher: positions interpolated for the size of the input -> '
                        f'{model["teacher"]["checkpoint"]}')
    return start(path, wish, notes)


def _base(recipe: Recipe) -> Config:
    return read_config_file(path_of(recipe.base))


def _recipe(data: Data, method: str | None, student: str, teacher: Encoder | None) -> Recipe:
    if method is None:
        pixels = 'mae' if data.modality == 'image' else 'videomae'
        method = pixels if teacher is None else 'amd'
    kin = None if teacher is None else (
        teacher.foundation.name if teacher.foundation is not None else '')
    recipe = find_recipe(method, data.modality, student, kin)
    model = _base(recipe).model
    if isinstance(model.get('teacher'), list):
        raise ValueError(f'--method {method} has several teachers, which one line cannot name; '
                         f"write a config with _base_ = ['{recipe.base}'] (docs/family.md)")
    if ('teacher' in model) != (teacher is not None):
        raise ValueError(
            f'--method {method} {"needs a" if teacher is None else "has no"} --teacher; '
            + ('name one (amd-mm zoo list), or make one with --method mae or '
               'videomae' if teacher is None else 'leave it out, or take --method amd'))
    return recipe


def _student(recipe: Recipe, student: str, base: Config) -> dict[str, Any]:
    """The settings of a student that the recipe has not."""
    if recipe.student == student:
        return {}
    name = student.replace('-', '_')
    if name not in base:
        raise ValueError(f'--student {student} is none for {recipe.modality}s; take one of '
                         f'{", ".join(one for one in students() if one.replace("-", "_") in base)}')
    parts = [part for part in base[name] if base.model.get(part) is not None]
    return {part: Code(f'_base_.{name}.{part}') for part in parts}


def _depth(base: Config, student: str, options: Mapping[str, Any]) -> int:
    """Blocks of the student, with what the options say of it."""
    backbone = dict(base.model.backbone, **base[student.replace('-', '_')].backbone)
    cfg = Config(dict(model=dict(backbone=backbone)))
    cfg.merge_from_dict({key: value for key, value in options.items()
                         if key.startswith('model.backbone.')})
    return depth_of(cfg.model.backbone)


def _data(found: Data) -> dict[str, Any]:
    """The loader's settings; paths are absolute, so that the config can be started anywhere."""
    where = '' if found.list is None else str(found.list)
    if found.modality == 'video':
        # What the recipe has is such a data set.
        files: dict[str, Any] = dict(ann_file=where, data_prefix=dict(video=str(found.folder)))
    else:
        files = dict(
            _delete_=True, type='amd_mm.PictureDataset', ann_file=where,
            data_prefix=str(found.folder), with_label=found.has_labels,
            pipeline=Code('_base_.train_dataloader.dataset.dataset.pipeline'))
    return dict(dataset=dict(dataset=files))


def _needed(cfg: Config) -> Callable[[int], int]:
    """Bytes of training with a batch: weights, moments, gradients and what a step keeps."""
    MMLogger.get_instance('amd-mm', log_level='ERROR')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of random weights, which memory does not hang on
        model: Any = trial_model(cfg)
    trained = module_bytes(model, trained=True)
    fixed = module_bytes(model) + 3 * trained + sum(
        module_bytes(lesson.teacher) for lesson in getattr(model, 'lessons', ()))
    repeats = cfg.train_dataloader.dataset.num_repeats
    grid, channels = model.backbone.grid, model.backbone.architecture.channels
    wrapper = cfg.optim_wrapper
    precision = getattr(torch, wrapper.dtype) if 'dtype' in wrapper else torch.float32

    def needed(batch: int) -> int:
        return fixed + step_memory(
            model, (batch * repeats, channels, *grid.input_size), precision)

    return needed
