"""Recipes by what their file names say: method, student, teacher, data. Reads no config."""
import re
from pathlib import Path
from typing import NamedTuple

from amd_mm.command.places import CONFIGS

# Folders of pre-training for anybody's data; of others the data is a part.
_FOLDERS = ('amd', 'dmae', 'mae', 'videomae', 'family')
_NAME = re.compile(
    r'(?P<method>[a-z0-9-]+)_(?P<student>vit-[a-z]+)-p\d+(_(?P<teacher>[a-z0-9-]+))?'
    r'_b\d+(-\w+x1)?-\d+e_(?P<data>in1k|kinetics400-rgb)')
# Teachers whose files are of our own layouts: what a method's own recipe has.
_OWN = ('mae', 'videomae', 'videomae2')
_MODALITIES = {'in1k': 'image', 'kinetics400-rgb': 'video'}


class Recipe(NamedTuple):
    """A config of pre-training.

    Attributes:
        method: Such as ``'amd'``.
        student: Such as ``'vit-small'``.
        teacher: A foundation model, such as ``'dinov2-large'``; '' for one of MAE's or VideoMAE's.
        modality: ``'image'`` or ``'video'``.
        base: As ``_base_`` takes it from anywhere.
    """
    method: str
    student: str
    teacher: str
    modality: str
    base: str


def recipes() -> list[Recipe]:
    """All of them, by folder and name."""
    found = []
    for folder in _FOLDERS:
        for path in sorted((CONFIGS / folder).glob('*.py')):
            if match := _NAME.fullmatch(path.stem):
                teacher = match['teacher'] or ''
                found.append(Recipe(
                    match['method'], match['student'],
                    '' if teacher.partition('-')[0] in _OWN else teacher,
                    _MODALITIES[match['data']], f'amd_mm::{folder}/{path.name}'))
    return found


def path_of(base: str) -> Path:
    """The file that ``_base_`` names so."""
    return CONFIGS / base.removeprefix('amd_mm::')


def methods() -> list[str]:
    """Names of the methods, in the order of the folders."""
    return list(dict.fromkeys(recipe.method for recipe in recipes()))


def students() -> list[str]:
    """Names of the encoders that a student can be, by what recipes take."""
    text = ''.join((CONFIGS / '_base_/models' / f'{kind}_vits.py').read_text('utf-8')
                   for kind in ('image', 'video'))
    names = re.findall(r'^(vit_\w+) = ', text, re.MULTILINE)
    return [name.replace('_', '-') for name in dict.fromkeys(names)]


def find_recipe(method: str, modality: str, student: str, teacher: str | None) -> Recipe:
    """The recipe of a method that is nearest to what is asked for.

    Args:
        method: Such as ``'amd'``.
        modality: ``'image'`` or ``'video'``.
        student: Of several recipes, the one with this student is taken, else the first.
        teacher: Name of a foundation model as the zoo has it; '' for one of MAE's or VideoMAE's;
            None for whatever the method has.

    Raises:
        ValueError: If there is none.
    """
    every = recipes()
    if method not in methods():
        raise ValueError(f'--method must be one of {", ".join(methods())}, got {method!r}; see '
                         'docs/family.md')
    mine = [recipe for recipe in every if (recipe.method, recipe.modality) == (method, modality)]
    if not mine:
        others = dict.fromkeys(recipe.method for recipe in every if recipe.modality == modality)
        raise ValueError(f'--method must be one for {modality}s, got {method}; take one of '
                         f'{", ".join(others)}')
    if teacher is not None:
        named = [recipe for recipe in mine if _kin(recipe.teacher) == _kin(teacher)]
        if not named:
            known = dict.fromkeys(recipe.teacher or 'an encoder of MAE or VideoMAE'
                                  for recipe in mine)
            raise ValueError(
                f'--teacher must be one that a recipe of {method} for {modality}s knows '
                f'({", ".join(known)}, or one of their kin), got '
                f'{teacher or "an encoder of MAE or VideoMAE"}; take such a teacher or another '
                '--method, or write a config (docs/family.md)')
        mine = named
    return next((recipe for recipe in mine if recipe.student == student), mine[0])


def tuning_recipe(modality: str) -> str:
    """Of fine-tuning on anybody's data, as ``_base_`` takes it."""
    ending = dict(image='own-images', video='own-videos-rgb')[modality]
    # Its size gives way to that of the network that is tuned.
    path, = (CONFIGS / 'finetune').glob(f'vit-small-*_{ending}.py')
    return f'amd_mm::finetune/{path.name}'


def _kin(teacher: str) -> str:
    return teacher.partition('-')[0]
