"""Tiny AMD with several teachers, and the same with one of them."""
from tiny_vits import pretraining_config
from torch import nn

from amd_mm.registry import MODELS


def entry(config: dict, name: str, **changes) -> dict:
    """One of several teachers, as the only one of a config is."""
    return dict(dict(name=name, **{key: config[key] for key in ('teacher', 'taps', 'neck')}),
                **changes)


def with_teachers(config: dict, *entries: dict, **changes) -> dict:
    """A config with these teachers in the place of its only one."""
    return dict(config, **dict(dict(teacher=list(entries), taps=None, neck=None), **changes))


def two_teachers_config(modality: str = 'video', **changes) -> dict:
    """Two of ours, the second narrower; one of the first's taps is read, both of the second's."""
    config = pretraining_config(modality, amd=True)
    narrow = dict(config['teacher']['backbone'])
    narrow.update(dict(embed_dims=12) if modality == 'video' else dict(
        arch=dict(narrow['arch'], embed_dims=12)))
    return with_teachers(
        config,
        entry(config, 'wide', taps=[2], teacher=dict(config['teacher'], taps=(2, ))),
        entry(config, 'narrow', teacher=dict(config['teacher'], backbone=narrow)), **changes)


def alone(model: nn.Module, config: dict, number: int) -> nn.Module:
    """The model of one of the teachers of a config, with the weights that it has in ``model``."""
    lesson = config['teacher'][number]
    one = MODELS.build(dict(config, **{key: lesson[key] for key in ('teacher', 'taps', 'neck')}))
    prefix = f'necks.{lesson["name"]}.'
    weights = {name.replace(prefix, 'neck.'): value for name, value in model.state_dict().items()
               if name.startswith(prefix) or not name.startswith('necks.')}
    one.load_state_dict(weights)
    one.teacher.load_state_dict(model.lessons[number].teacher.state_dict())
    return one.to(next(model.parameters()).dtype)
