"""From a layout's names to canonical ones and back, with every key accounted for."""
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from amd_mm.checkpoints.frameworks import unwrap_names
from amd_mm.checkpoints.layouts import (
    LAYOUT_NAMES,
    LAYOUTS,
    OUTER_PREFIXES,
    Layout,
    pattern,
    with_prefix,
)
from amd_mm.checkpoints.unsupported import name_parts

# Inside a block; biases of the attention may be absent everywhere, nothing else may.
_BLOCK = re.compile(r'(?P<blocks>.*\bblocks)\.(?P<i>\d+)\.(?P<rest>.+)')
_BLOCK_REQUIRED = frozenset(
    f'{name}.{ending}' for name in ('norm1', 'norm2', 'proj', 'fc1', 'fc2')
    for ending in ('weight', 'bias')) | {'qkv.weight'}
_SHOWN = 20


@dataclass
class Match:
    """How a layout reads the names of a file.

    Attributes:
        layout: The layout.
        prefix: What stands before the encoder's names.
        sources: Canonical names to the file's names (several: concatenated).
        unused: Names that no model needs, with the reason.
        unexplained: Names that the layout does not know.
        incomplete: Canonical names of which the file holds only some pieces.
    """

    layout: Layout
    prefix: str
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    unexplained: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)


def strip_outer_prefixes(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take ``module.`` and the like off, which have to stand before every key or none.

    Raises:
        ValueError: If they stand before some keys only.
    """
    state = unwrap_names(state)
    while True:
        prefix = next((p for p in OUTER_PREFIXES if any(key.startswith(p) for key in state)), None)
        if prefix is None:
            return state
        others = [key for key in state if not key.startswith(prefix)]
        if others:
            twice = [key for key in others if prefix + key in state]
            detail = (f'{len(twice)} keys stand there with and without it: {show(twice)}' if twice
                      else f'{len(others)} of {len(state)} keys have none: {show(others)}')
            raise ValueError(
                f'Checkpoint keys: the prefix {prefix!r} must stand before every key or none, but '
                f'{detail}. Two models seem to be mixed in the file; save one of them.')
        state = {key[len(prefix):]: value for key, value in state.items()}


def detect(state: Mapping[str, Tensor], name: str | None = None,
           layouts: Iterable[Layout] = LAYOUTS) -> Match:
    """Find the layout of a file from its keys.

    Layouts that read every key alike (an encoder of mmaction2 is also one of ours)
    are no ambiguity: the first of them is taken.

    Args:
        state: Names to tensors, without outer prefixes.
        name: The layout's name where the user gave it.
        layouts: The tables to try.

    Raises:
        ValueError: If no layout fits, several fit in different ways, or keys are
            left unexplained or incomplete or stand there twice.
    """
    tables = [layout for layout in layouts if name in (None, layout.name)]
    if not tables:
        raise ValueError(f'Layout: must be one of {", ".join(LAYOUT_NAMES)}, got {name!r}.')
    matches = [match for layout in tables if (match := _match(state, layout)) is not None]
    if not matches:
        wanted = 'any known layout' if name is None else f'the layout {name}'
        anchors = dict.fromkeys(f'{prefix}{anchor}' for layout in tables
                                for prefix in layout.prefixes for anchor in layout.anchor)
        words = name_parts(state)
        parts = f'the model has {words}, which is not supported, and ' if words else ''
        raise ValueError(
            f'Checkpoint keys: must be those of {wanted}, but {parts}none has the patch embedding '
            f'({", ".join(anchors)}) with a 4-D (image) or 5-D (video) weight. The first keys '
            f'are {show(list(state), 8)}. Check that it is a ViT encoder; layouts: '
            f'{", ".join(LAYOUT_NAMES)}.')
    fewest = min(len(match.unexplained) + len(match.incomplete) for match in matches)
    best = [match for match in matches
            if len(match.unexplained) + len(match.incomplete) == fewest]
    if any(match.sources != best[0].sources for match in best):
        names = ', '.join(match.layout.label for match in best)
        raise ValueError(
            f'Checkpoint layout: must be clear from the keys, but several read them in different '
            f'ways: {names}. Convert it once with `amd-mm convert SRC DST '
            '--from LAYOUT`, which names one, and use DST.')
    return best[0]


def require_explained(match: Match, part: str = 'all') -> None:
    """Raise ValueError with what the layout cannot explain, if there is anything.

    Args:
        match: What the layout made of the file, less what is not wanted.
        part: ``'encoder'``, or ``'all'`` where the rest can still be left behind.
    """
    if not match.unexplained and not match.incomplete:
        return
    problems = []
    if words := name_parts(match.unexplained, match.layout.modality):
        problems.append(f'it has {words}, which is not supported')
    if match.unexplained:
        problems.append(f'{len(match.unexplained)} keys are unknown: {show(match.unexplained)}')
    if match.incomplete:
        problems.append(f'pieces are missing of {show(match.incomplete)}')
    remedy = 'The model is of another kind; take another file.'
    if part == 'all':
        remedy = 'If only the encoder is wanted, add --part encoder; else take another file.'
    raise ValueError(f'Checkpoint keys: each must be in the table of the layout '
                     f'{match.layout.label}, but {"; ".join(problems)}. {remedy}')


def split_part(match: Match, part: str) -> dict[str, str]:
    """Drop what is not wanted from a match, in place.

    Args:
        match: What the layout made of the file.
        part: ``'encoder'`` or ``'all'``.

    Returns:
        The file's keys that were dropped, with the reason.
    """
    dropped = dict(match.unused)
    if part == 'encoder':
        for canonical in [name for name in match.sources if not name.startswith('encoder.')]:
            kind = canonical.split('.')[0]
            dropped.update(dict.fromkeys(match.sources.pop(canonical),
                                         f'{kind}: only the encoder is wanted'))
        rest = []
        for key in match.unexplained:
            owner = next((part for prefix, part in match.layout.part_prefixes
                          if key.startswith(prefix)), None)
            if owner is None or (match.prefix and key.startswith(match.prefix)):
                rest.append(key)
            else:
                dropped[key] = f'{owner}: only the encoder is wanted'
        match.unexplained = rest
        match.incomplete = [name for name in match.incomplete if name.startswith('encoder.')]
    return dropped


def assemble(state: Mapping[str, Tensor], match: Match) -> dict[str, Tensor]:
    """Canonical names to tensors. What is one tensor in the file is not copied."""
    return {name: state[keys[0]] if len(keys) == 1 else torch.cat([state[key] for key in keys])
            for name, keys in match.sources.items()}


def require_complete(names: Iterable[str]) -> None:
    """Raise ValueError if blocks are missing or have other weights than their neighbours."""
    blocks: dict[str, dict[int, set[str]]] = {}
    for name in names:
        if found := _BLOCK.fullmatch(name):
            blocks.setdefault(found['blocks'], {}).setdefault(
                int(found['i']), set()).add(found['rest'])
    missing = []
    for stem, by_index in blocks.items():
        expected = set(_BLOCK_REQUIRED).union(*by_index.values())
        for index in range(max(by_index) + 1):
            missing += [f'{stem}.{index}.{rest}'
                        for rest in sorted(expected - by_index.get(index, set()))]
    if not any(stem == 'encoder.blocks' for stem in blocks):
        missing.append('encoder.blocks.0')
    if missing:
        raise ValueError(
            'Checkpoint keys: every block must be complete, but these are missing (canonical '
            f'names): {show(missing)}. The file is not a whole model.')


def spell(tensors: Mapping[str, Tensor],
          layout: Layout) -> tuple[dict[str, Tensor], list[str]]:
    """Write canonical tensors under the names of a layout.

    Returns:
        Names to tensors, and the canonical names that the layout has no place for.
    """
    beside = any(not name.startswith('encoder.') for name in tensors)
    prefix = layout.beside if beside else layout.alone
    named: dict[str, Tensor] = {}
    homeless = []
    for name, tensor in tensors.items():
        parts = _spelling(layout, prefix, name)
        if parts is None:
            homeless.append(name)
        elif len(parts) == 1:
            named[parts[0]] = tensor
        else:
            named.update(zip(parts, tensor.chunk(len(parts)), strict=True))
    return named, homeless


def show(keys: list[str], limit: int = _SHOWN) -> str:
    """Keys for an error message, the first ``limit`` of them."""
    rest = f' and {len(keys) - limit} more' if len(keys) > limit else ''
    return ', '.join(keys[:limit]) + rest


@lru_cache
def _readers(layout: Layout, prefix: str) -> tuple[tuple[re.Pattern[str], str, int, int, int], ...]:
    """(pattern of a key, canonical template, spelling, piece, pieces) of every spelling."""
    return tuple(
        (pattern(with_prefix(canonical, part, prefix)), canonical, which, piece, len(parts))
        for canonical, spellings in layout.spellings
        for which, parts in enumerate(spellings) for piece, part in enumerate(parts))


@lru_cache
def _writers(layout: Layout) -> tuple[tuple[re.Pattern[str], str, tuple[str, ...]], ...]:
    return tuple((pattern(canonical), canonical, spellings[0])
                 for canonical, spellings in layout.spellings)


def _spelling(layout: Layout, prefix: str, name: str) -> tuple[str, ...] | None:
    for reader, canonical, parts in _writers(layout):
        if found := reader.match(name):
            return tuple(with_prefix(canonical, part, prefix).format(**found.groupdict())
                         for part in parts)
    return None


def _match(state: Mapping[str, Tensor], layout: Layout) -> Match | None:
    """Read the names of ``state``; None if the layout's patch embedding is not there."""
    dimensions = {'image': 4, 'video': 5}[layout.modality]
    prefixes = [prefix for prefix in layout.prefixes
                if any(prefix + anchor in state and state[prefix + anchor].ndim == dimensions
                       for anchor in layout.anchor)]
    if not prefixes:
        return None
    if len(prefixes) > 1:
        raise ValueError(
            'Checkpoint keys: one encoder must be in the file, but there are several, behind the '
            f'prefixes {", ".join(map(repr, prefixes))}. Save one of them.')
    match = Match(layout, prefixes[0])
    found: dict[str, dict[int, dict[int, str]]] = {}
    pieces: dict[tuple[str, int], int] = {}
    for key in state:
        hit = next(((reader, hit) for reader in _readers(layout, match.prefix)
                    if (hit := reader[0].match(key))), None)
        reason = next((why for regex, why in layout.unused if re.fullmatch(regex, key)), None)
        if reason is not None:
            match.unused[key] = reason
        elif hit is None:
            match.unexplained.append(key)
        else:
            (_, canonical, which, piece, count), groups = hit
            name = canonical.format(**groups.groupdict())
            found.setdefault(name, {}).setdefault(which, {})[piece] = key
            pieces[name, which] = count
    twice = {name: keys for name, keys in found.items() if len(keys) > 1}
    if twice:
        clashes = [' and '.join(key for parts in spellings.values() for key in parts.values())
                   for spellings in twice.values()]
        raise ValueError('Checkpoint keys: each weight must be there once, but these mean the '
                         f'same: {show(clashes)}. Two models seem to be mixed in the file.')
    for name, spellings in found.items():
        (which, parts), = spellings.items()
        if len(parts) < pieces[name, which]:
            match.incomplete.append(name)
        else:
            match.sources[name] = tuple(parts[piece] for piece in sorted(parts))
    return match


def count_reasons(dropped: Mapping[str, str]) -> list[str]:
    """``['12 keys dropped (head: ...)', ...]``."""
    return [f'{count} keys dropped ({reason})'
            for reason, count in Counter(dropped.values()).items()]
