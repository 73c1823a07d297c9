"""A study file: which networks are pre-trained, how they are judged, and what is compared."""
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config


@dataclass(frozen=True)
class Pretraining:
    """A network that is pre-trained.

    Attributes:
        config: Of ``tools/train.py``.
        teacher: Another pre-training, whose last checkpoint becomes
            ``model.teacher.checkpoint``; or None.
        options: Settings of the config to change, ``{'model.mask_generator.student_ratio': 0.9}``.
        seed: Of a network that is trained once for all seeds, as a published teacher is; None:
            one a seed.
    """
    config: Path
    teacher: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """How a pre-trained encoder is judged.

    Attributes:
        config: Of ``tools/train.py`` and ``tools/test.py``.
        metric: Its name in the log of the test, such as ``'acc/top1'``.
        train: Whether something is trained (fine-tuning, a probe); if not, the encoder itself is
            tested (nearest neighbours).
        options: Settings of the config to change.
        best: What the metric says where all is right: 1, or 100 for mmpretrain's, which are in
            percent.
    """
    config: Path
    metric: str
    train: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    best: float = 1.


@dataclass(frozen=True)
class Arm:
    """One row of the table.

    Attributes:
        start: The pre-training whose encoder is judged; None: random weights.
        options: By evaluation, settings to change in this arm only.
        configs: By evaluation, another config, such as the teacher's own size; None: not judged so.
    """
    start: str | None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    configs: Mapping[str, Path | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """What a study file says.

    Attributes:
        pretrainings: By name.
        evaluations: By name; the name is that of the number in ``study.json``, such as ``top1``.
        arms: By name, in the order of the table.
        compare: Pairs of arms (better, worse) as they are expected.
        splits: By name, settings of the test's data: ``val`` to choose with, ``test`` to report.
        chance: What guessing gives, a fraction; None: not drawn.
        data: Arguments of the command that makes the data, or none.
        data_output: What that leaves, a path.
        options: Settings of every config that has a place for them.
    """
    pretrainings: Mapping[str, Pretraining]
    evaluations: Mapping[str, Evaluation]
    arms: Mapping[str, Arm]
    compare: tuple[tuple[str, str], ...]
    splits: Mapping[str, Mapping[str, Any]]
    chance: float | None = None
    data: tuple[str, ...] = ()
    data_output: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def config_of(self, arm: str, evaluation: str) -> Path | None:
        """What judges an arm; None where it is not judged so."""
        return self.arms[arm].configs.get(evaluation, self.evaluations[evaluation].config)

    def of_arms(self, names: Collection[str]) -> 'Study':
        """The part of it that has these rows alone, and the comparisons among them.

        Args:
            names: Of arms.

        Raises:
            ValueError: For a name that is no arm's.
        """
        _ask_for(names, self.arms, 'Arms')
        return replace(
            self, arms={name: arm for name, arm in self.arms.items() if name in names},
            compare=tuple(pair for pair in self.compare if set(pair) <= set(names)))

    def of_evaluations(self, names: Collection[str]) -> 'Study':
        """The part of it that judges its arms in these ways alone.

        Args:
            names: Of evaluations.

        Raises:
            ValueError: For a name that is no evaluation's.
        """
        _ask_for(names, self.evaluations, 'Evaluations')
        return replace(self, evaluations={name: evaluation for name, evaluation
                                          in self.evaluations.items() if name in names})

    def chain(self, name: str) -> list[str]:
        """A pre-training after the teachers that it needs, the first one first."""
        found: list[str] = []
        link: str | None = name
        while link is not None:
            found.insert(0, link)
            link = self.pretrainings[link].teacher
        return found


def _ask_for(names: Collection[str], among: Collection[str], kind: str) -> None:
    unknown = sorted(set(names) - set(among))
    if unknown:
        raise ValueError(f'{kind} of a study must be among {", ".join(among)}, got '
                         f'{", ".join(unknown)}')


def read_study(path: Path) -> Study:
    """Read a study file, a Python config whose paths are relative to itself.

    Args:
        path: With the names of :class:`Study`'s attributes; in short a config may stand for a
            :class:`Pretraining`, and the name of a pre-training (or None) for an :class:`Arm`.
            Names that begin with ``_`` are its own.

    Raises:
        ValueError: For a name that is not known, or one that is referred to and not there.
    """
    content = {name: value for name, value in Config.fromfile(path).to_dict().items()
               if not name.startswith('_')}
    folder = path.parent
    what = f'Study {path}'

    def located(value: Any) -> Path:
        found = (folder / value).resolve()
        if not found.is_file():
            raise ValueError(f'{what}: configs must be files, relative to the study, got {value}, '
                             f'but there is no {found}')
        return found

    def made(kind: Any, name: str, value: Any) -> Any:
        known = {item.name for item in fields(kind)}
        if not isinstance(value, Mapping) or set(value) - known:
            wrong = ', '.join(sorted(set(value) - known)) if isinstance(value, Mapping) else value
            raise ValueError(f'{what}: {name} must have only {", ".join(sorted(known))}, '
                             f'got {wrong}')
        value = dict(value)
        if 'config' in value:
            value['config'] = located(value['config'])
        if 'configs' in value:
            value['configs'] = {key: config and located(config)
                                for key, config in value['configs'].items()}
        try:
            return kind(**value)
        except TypeError as error:
            raise ValueError(f'{what}: {name} is not whole: {error}') from error

    def table(key: str, kind: Any, short: str | None) -> dict[str, Any]:
        entries = content.pop(key, {})
        return {name: made(kind, f'{key}.{name}', {short: value} if short and (
            value is None or isinstance(value, str)) else value)
            for name, value in entries.items()}

    pretrainings = table('pretrainings', Pretraining, 'config')
    evaluations = table('evaluations', Evaluation, None)
    arms = table('arms', Arm, 'start')
    content['compare'] = tuple(map(tuple, content.get('compare', ())))
    content['data'] = tuple(content.get('data', ()))
    if content.get('data_output') is not None:
        content['data_output'] = Path(content['data_output'])
    study = made(Study, 'the file', dict(
        content, pretrainings=pretrainings, evaluations=evaluations, arms=arms))
    _check(study, what)
    return study


def _check(study: Study, what: str) -> None:
    def known(names: set[str], among: Mapping, where: str, kind: str) -> None:
        if names - set(among):
            raise ValueError(
                f'{what}: {where} must be {kind} of the study, {", ".join(among) or "none"}, got '
                f'{", ".join(sorted(names - set(among)))}')

    if not study.arms or not study.evaluations or not study.splits:
        raise ValueError(f'{what}: must have arms, evaluations and splits, got '
                         f'{len(study.arms)}, {len(study.evaluations)}, {len(study.splits)}')
    known({one.teacher for one in study.pretrainings.values() if one.teacher},
          study.pretrainings, 'a teacher', 'a pre-training')
    for name in study.pretrainings:
        seen, link = {name}, study.pretrainings[name].teacher
        while link is not None:
            if link in seen:
                raise ValueError(f'{what}: a teacher must be pre-trained before its student, but '
                                 f'{name} is in a circle with {link}')
            seen.add(link)
            link = study.pretrainings[link].teacher
    for name, arm in study.arms.items():
        known({arm.start} if arm.start is not None else set(), study.pretrainings,
              f'start of arm {name}', 'a pre-training')
        known(set(arm.options) | set(arm.configs), study.evaluations, f'arm {name}',
              'an evaluation')
    for pair in study.compare:
        if len(pair) != 2:
            raise ValueError(f'{what}: compare must have pairs of arms, got {pair}')
        known(set(pair), study.arms, 'compare', 'an arm')
