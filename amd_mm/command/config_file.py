"""A short config as text: a base, and what differs from it."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

_WIDTH = 98


class Code(str):
    """Python that stands in a config as it is, such as ``_base_.vit_small``."""

    def __repr__(self) -> str:
        return str(self)


def merged(one: dict, other: Mapping) -> dict:
    """Nested settings, those of the other where both have them."""
    both = dict(one)
    for key, value in other.items():
        before = both.get(key)
        both[key] = merged(before, value) if isinstance(before, dict) and isinstance(
            value, Mapping) else value
    return both


def nested(options: Mapping[str, Any], cfg: Config) -> dict:
    """Settings by dotted keys as nested ones; a list that they change in places stands whole.

    Args:
        options: As ``--cfg-options`` has them.
        cfg: In which they are set.
    """
    found: dict = {}
    for key, value in options.items():
        parts = key.split('.')
        place = next((number for number, part in enumerate(parts) if part.isdecimal()), None)
        if place is not None:
            parts = parts[:place]
            value = cfg._cfg_dict
            for part in parts:
                value = value[part]
            value = Config(dict(value=value)).to_dict()['value']
        for part in reversed(parts):
            value = {part: value}
        found = merged(found, value)
    return found


def config_text(comment: str, base: str, settings: Mapping[str, Any]) -> str:
    """A config.

    Args:
        comment: Its first lines.
        base: As ``_base_`` takes it.
        settings: What differs, by the keys at its top; may hold :class:`Code`.
    """
    lines = [f'# {line}' for line in comment.splitlines()]
    lines.append(f'_base_ = [{base!r}]')
    lines += [f'{key} = {_code(value, 0, len(key) + 3)}' for key, value in settings.items()]
    return '\n'.join(lines) + '\n'


def write_config(path: Path, text: str) -> None:
    """Write a config's text; its folder is made where it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8')


def _code(value: Any, indent: int, before: int) -> str:
    """Python for a value: on one line where it fits, else a line an item."""
    flat = _flat(value)
    if len(flat) + indent + before <= _WIDTH or not isinstance(value, (dict, list, tuple)):
        return flat
    if isinstance(value, dict) and len(value) == 1:
        (key, item), = value.items()
        if key.isidentifier() and isinstance(item, dict):
            return f'dict({key}={_code(item, indent, before + len(key) + 6)})'
    inner = ' ' * (indent + 4)
    if isinstance(value, dict):
        named = all(key.isidentifier() for key in value)
        heads = [f'{key}=' if named else f'{key!r}: ' for key in value]
        opening, closing = ('dict(', ')') if named else ('{', '}')
        items: list[Any] = list(value.values())
    else:
        opening, closing = '[]' if isinstance(value, list) else '()'
        items, heads = list(value), [''] * len(value)
    body = ''.join(f'\n{inner}{head}{_code(item, indent + 4, len(head) + 1)},'
                   for head, item in zip(heads, items, strict=True))
    return f'{opening}{body}\n{" " * indent}{closing}'


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        if all(key.isidentifier() for key in value):
            return f'dict({", ".join(f"{key}={_flat(item)}" for key, item in value.items())})'
        return f'{{{", ".join(f"{key!r}: {_flat(item)}" for key, item in value.items())}}}'
    if isinstance(value, list):
        return f'[{", ".join(map(_flat, value))}]'
    if isinstance(value, tuple):
        return f'({", ".join(map(_flat, value))}{"," if len(value) == 1 else ""})'
    return repr(value)
