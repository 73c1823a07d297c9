"""From a study to commands: which stages a seed has, and what each needs."""
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from amd_mm.config_keys import merge_options
from amd_mm.engine.stages import Stage
from amd_mm.studies.study import Study

DATA = 'data'


def pretraining_stage(study: Study, seed: int, name: str) -> str:
    """The name of the stage that pre-trains a network, of one seed or (with its own) of all."""
    own = study.pretrainings[name].seed
    return f'seed{seed}/pretrain_{name}' if own is None else f'shared/pretrain_{name}'


def tuning_stage(seed: int, evaluation: str, arm: str) -> str:
    """The name of the stage that fine-tunes, or trains a probe."""
    return f'seed{seed}/{evaluation}_{arm}'


def test_stage(seed: int, evaluation: str, arm: str, split: str) -> str:
    """The name of the stage that tests an arm."""
    return f'seed{seed}/{split}_{evaluation}_{arm}'


def plan_study(study: Study, run: Path, seed: int, split: str) -> list[Stage]:
    """The stages of one seed, in an order in which they can be run.

    Args:
        study: What to run.
        run: Folder of the study; a stage works in ``run/<its name>``.
        seed: Of initial weights, order, crops and masks.
        split: Of ``study.splits``.
    """
    stages: dict[str, Stage] = {}

    def add(name: str, command: tuple[str, ...], output: Path, config: Path | None = None,
            needs: tuple[Stage, ...] = ()) -> Stage:
        return stages.setdefault(
            name, Stage(name, (sys.executable, *command), output, config, needs))

    def train(name: str, config: Path, needs: tuple[Stage, ...],
              options: Mapping[str, Any], own_seed: int | None = None) -> Stage:
        options = {'randomness.seed': seed if own_seed is None else own_seed,
                   **_those_of(study.options, config), **options}
        return add(name, ('tools/train.py', str(config), '--resume', '--work-dir', str(run / name),
                          '--cfg-options', *_words(options)),
                   run / name / _last_checkpoint(config, options), config, needs)

    first: tuple[Stage, ...] = ()
    if study.data:
        assert study.data_output is not None
        first = (add(DATA, study.data, study.data_output), )

    def pretrain(name: str) -> Stage:
        setting = study.pretrainings[name]
        needs, options = first, dict(setting.options)
        if setting.teacher is not None:
            teacher = pretrain(setting.teacher)
            needs = (*needs, teacher)
            options['model.teacher.checkpoint'] = str(teacher.output)
        return train(pretraining_stage(study, seed, name), setting.config, needs, options,
                     setting.seed)

    # The longest chain first: the others fill the time beside it.
    for name in sorted(study.pretrainings, key=lambda name: -len(study.chain(name))):
        if any(name in study.chain(arm.start) for arm in study.arms.values() if arm.start):
            pretrain(name)
    for arm_name, arm in study.arms.items():
        start = None if arm.start is None else pretrain(arm.start)
        needs = first if start is None else (*first, start)
        for name, evaluation in study.evaluations.items():
            config = study.config_of(arm_name, name)
            if config is None or (start is None and not evaluation.train):
                continue
            options = {**evaluation.options, **arm.options.get(name, {})}
            judged = start
            if evaluation.train:
                weights = {'model.backbone.init_cfg': None} if start is None else {
                    'model.backbone.init_cfg.checkpoint': str(start.output)}
                judged = train(tuning_stage(seed, name, arm_name), config, needs,
                               {**options, **weights})
            assert judged is not None
            test = test_stage(seed, name, arm_name, split)
            settings = {**_those_of(study.options, config), **options, **study.splits[split]}
            add(test, ('tools/test.py', str(config), str(judged.output), '--work-dir',
                       str(run / test), '--cfg-options', *_words(settings)),
                run / test, config, (*first, judged))
    return list(stages.values())


def _words(options: Mapping[str, Any]) -> list[str]:
    return [f'{key}={value}' for key, value in options.items()]


def _those_of(options: Mapping[str, Any], config: Path) -> dict[str, Any]:
    """Those that a config has a place for: some are for pre-training, others for tests."""
    content = Config.fromfile(config)
    found = {}
    for key, value in options.items():
        section, _, rest = key.partition('.')
        inner = content.get(section)
        if inner is not None and (not rest or rest.partition('.')[0] in inner):
            found[key] = value
    return found


def _last_checkpoint(config: Path, options: Mapping[str, Any]) -> str:
    content = Config.fromfile(config)
    merge_options(content, {key: value for key, value in options.items()
                            if key.startswith('train_cfg.')})
    loop = content.train_cfg
    if loop.get('max_iters'):
        return f'iter_{loop.max_iters}.pth'
    return f'epoch_{loop.max_epochs}.pth'
