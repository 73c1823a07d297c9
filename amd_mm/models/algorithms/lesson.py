"""What a student learns of one teacher: from which blocks, to which of its own, through what."""
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from amd_mm.models.backbones import Encoder
from amd_mm.models.masks import AsymmetricMaskGenerator
from amd_mm.models.necks import Neck
from amd_mm.models.teachers import Teacher
from amd_mm.models.teachers.base import check_taps
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenMask
from amd_mm.values import CONFIG, list_of, whole

TAPS = list_of(whole(1))
_KEYS = dict(teacher=CONFIG, taps=TAPS, neck=CONFIG)


@dataclass(frozen=True)
class Lesson:
    """A teacher, the student's blocks that learn of its taps, and the neck between them.

    Attributes:
        name: Of the teacher; empty if it is the only one.
        place: Where its ``teacher``, ``taps`` and ``neck`` stand in a config.
        teacher: Outside of the module tree, as everything here: the algorithm registers the neck.
        taps: Student blocks, counted from 1, one a tap of the teacher.
        neck: Compares the two.
    """
    name: str
    place: str
    teacher: Teacher
    taps: list[int]
    neck: Neck

    def read_teacher(self, images: Tensor, mask: TokenMask) -> tuple[list, Tensor | None]:
        """What the neck reads of the teacher, one a tap, and the pixels that it predicts.

        Args:
            images: (B, C, (T,) H, W), normalised.
            mask: What this teacher sees.
        """
        if self.teacher.predicts_pixels:
            return self.teacher.predict(images, mask)
        return self.teacher(images, mask.teacher_visible, self.neck.reads), None

    def loss(self, features: Mapping[int, Any], targets: Sequence[Any],
             mask: TokenMask) -> dict[str, Tensor]:
        """The neck's losses, with the teacher's name behind theirs.

        Args:
            features: What the neck reads of the student's blocks, by number.
            targets: Of the teacher's, one a tap.
            mask: Which tokens these are.
        """
        losses = self.neck.loss([features[tap] for tap in self.taps], targets, mask)
        return {self.key(name): loss for name, loss in losses.items()}

    def key(self, loss: str) -> str:
        """What a loss of the neck is called in the log."""
        return f'{loss}_{self.name}' if self.name else loss

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """As :func:`speaking_of` this teacher."""
        with speaking_of(self.name, self.place):
            yield


@contextmanager
def speaking_of(name: str, place: str) -> Iterator[None]:
    """Let errors say which of several teachers they mean, and where its settings are."""
    try:
        yield
    except ValueError as error:
        if not name:
            raise
        raise ValueError(f'Teacher {name!r}: {moved(str(error), place)}') from error


def moved(text: str, place: str) -> str:
    """A text with the settings of the only teacher turned into those at a place."""
    return re.sub(r'\bmodel\.(?=(teacher|taps|neck)\b)', f'{place}.', text)


def build_lessons(teacher: dict | Sequence[dict], taps: Sequence[int] | None, neck: dict | None,
                  student: Encoder, masks: AsymmetricMaskGenerator,
                  input_statistics: dict[str, list[float]], with_cp: bool) -> list[Lesson]:
    """Build the teachers of a student and what aligns it with each.

    Args:
        teacher: Of the only teacher, with ``taps`` and ``neck``; or a list of
            ``dict(name=, teacher=, taps=, neck=)``, with neither.
        taps: As in :class:`amd_mm.AMD`.
        neck: As in :class:`amd_mm.AMD`.
        student: Its encoder.
        masks: What it and they see.
        input_statistics: What teachers are told of their input.
        with_cp: Handed on to the necks.

    Raises:
        ValueError: If the settings are not such, or do not fit each other.
    """
    several = not isinstance(teacher, dict)
    given = [name for name, value in dict(taps=taps, neck=neck).items() if value is not None]
    if several and given:
        raise ValueError(
            f'{" and ".join(given)} of AMD must be None beside a list of teachers, each of which '
            'has its own, got a value: set '
            f'{" and ".join(f"model.{name}=None" for name in given)}.')
    if not several and len(given) < 2:
        raise ValueError(
            'One teacher needs taps and neck of AMD, got None: give both, or a list of teachers, '
            'each with its own.')
    if not several:
        entries = [('', 'model', dict(teacher=teacher, taps=taps, neck=neck))]
    else:
        entries = [(_name_of(entry), f'model.teacher.{number}', entry)
                   for number, entry in enumerate(teacher)]
        _check_names([name for name, _, _ in entries])
    _check_ratios(masks, len(entries))
    lessons = []
    for number, (name, place, entry) in enumerate(entries):
        with speaking_of(name, place):
            lesson = _build(name, place, entry, student, input_statistics, with_cp)
            _check_fit(lesson, student, masks.num_visible,
                       masks.num_extras[number if len(masks.num_extras) > 1 else 0])
            lessons.append(lesson)
    return lessons


def _name_of(entry: dict) -> str:
    """The name of one of several teachers.

    Raises:
        ValueError: If anything but a name, a teacher, taps and a neck is there, or not all of them.
    """
    if entry.keys() != {'name', *_KEYS}:
        raise ValueError(
            'Each of a list of teachers must have name, teacher, taps and neck, got '
            f'{", ".join(map(str, entry)) or "nothing"}: write dict(name=NAME, '
            'teacher=dict(type=...), taps=[...], neck=dict(type=...)).')
    name = entry['name']
    # It becomes a part of the names of losses and weights.
    if not isinstance(name, str) or not name.isidentifier() or hasattr(nn.ModuleDict, name):
        raise ValueError(
            'The name of a teacher must be of letters, digits and underscores, and not that of '
            f"something of torch's modules, got {name!r}: call it image, video, or what it is.")
    return name


def _check_names(names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise ValueError(
            f'Teachers must have different names, got {", ".join(names)}: their losses would be '
            'one in the log.')


def _build(name: str, place: str, entry: dict, student: Encoder,
           input_statistics: dict[str, list[float]], with_cp: bool) -> Lesson:
    for key, rule in _KEYS.items():
        if not rule.holds(entry[key]):
            raise ValueError(f'model.{key} must be {rule.says}, got {entry[key]!r}.')
    taps = check_taps(entry['taps'], student.depth, 'student')
    teacher: Teacher = MODELS.build(entry['teacher'], default_args=dict(
        input_statistics, student_grid=student.grid))
    neck: Neck = MODELS.build(entry['neck'], default_args=dict(
        student_dims=student.embed_dims,
        teacher_dims=teacher.embed_dims,
        num_pairs=len(taps),
        grid=student.grid,
        with_cp=with_cp))
    return Lesson(name, place, teacher, taps, neck)


def _check_ratios(masks: AsymmetricMaskGenerator, teachers: int) -> None:
    if len(masks.num_extras) not in (1, teachers):
        raise ValueError(
            f'teacher_ratio or teacher_visible of the masks must be one for all or one a teacher, '
            f'{teachers}, got {len(masks.num_extras)}: change model.mask_generator.')


def _check_fit(lesson: Lesson, student: Encoder, num_visible: int, num_extra: int) -> None:
    teacher, tokens, seen = lesson.teacher, student.grid.num_tokens, num_visible + num_extra
    if len(lesson.taps) != len(teacher.taps):
        raise ValueError(
            f'Student and teacher must have as many taps, got {lesson.taps} and {teacher.taps}.')
    if student.architecture.channels != teacher.channels:
        raise ValueError(
            'Student and teacher must take as many input channels, got '
            f'{student.architecture.channels} and {teacher.channels}: give both the same '
            'in_channels.')
    if not teacher.sees_subsets and seen < tokens:
        raise ValueError(
            f'{type(teacher).__name__} must see all {tokens} tokens, it cannot leave some out '
            f'here, got {seen}: set model.mask_generator.teacher_ratio=0'
            f'{" at its place in the list" if lesson.name else ""}.')
    if teacher.num_register_tokens and not (
            lesson.neck.align_cls_token and teacher.num_prefix_tokens == student.num_prefix_tokens):
        raise ValueError(
            'Register tokens can be aligned where student and teacher have as many tokens before '
            'those of patches and the neck aligns them (align_cls_token=True), got '
            f'{student.num_prefix_tokens} of the student, {teacher.num_prefix_tokens} of the '
            f'teacher and align_cls_token={lesson.neck.align_cls_token}: set '
            "model.teacher.registers='drop'; encoders of amd_mm have no register tokens.")
    if lesson.neck.align_cls_token and teacher.num_prefix_tokens != student.num_prefix_tokens:
        raise ValueError(
            'The class token can be aligned where both have one, got '
            f'{student.num_prefix_tokens} of the student and {teacher.num_prefix_tokens} of the '
            'teacher: set model.neck.align_cls_token=False.')
    if teacher.predicts_pixels:
        _check_prediction(lesson, num_extra)
    if lesson.neck.reads == 'relations' and not teacher.gives_relations:
        raise ValueError(
            f'Queries, keys and values cannot be read of this {type(teacher).__name__}: they can '
            'be of amd_mm.FrozenTeacher, and of amd_mm.TimmTeacher for pictures whose tokens agree '
            'and whose blocks have neither rotary nor relative positions (ViT, DINOv2, SigLIP, '
            'CLIP), from its second block on; model.teacher.shard=False.')
    if lesson.neck.generates and num_extra == 0:
        remedy = 'raise the student' if num_visible == tokens else 'lower the teacher'
        raise ValueError(
            'Generation alignment needs tokens that only the teacher sees, got equal masks '
            f'of {num_visible} visible tokens: {remedy} ratio, or set generation=None in the neck.')


def _check_prediction(lesson: Lesson, num_extra: int) -> None:
    """Refuse a teacher with a decoder whose predictions are no targets of the student's."""
    remedy = 'or set model.teacher.decoder=None.'
    if num_extra:
        raise ValueError(
            'A teacher that predicts pixels must see what the student sees, as it does not predict '
            f'what it sees, got {num_extra} tokens more: set teacher_ratio to the student\'s, '
            f'{remedy}')
    if lesson.teacher.pixel_scale is not None:
        raise ValueError(
            'A teacher that predicts pixels must be trained on pixels normalised as the student\'s '
            f'are: set mean and std of model.data_preprocessor to its own, {remedy}')
    if lesson.neck.reads != 'features':
        raise ValueError(
            f'A teacher that predicts pixels goes with a neck that reads features, got '
            f'{type(lesson.neck).__name__}: take amd_mm.AlignmentNeck, {remedy}')
