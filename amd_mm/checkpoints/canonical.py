"""From a file to canonical weights, and the one strict comparison of weights with a model."""
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from amd_mm.checkpoints.frameworks import take_encoder
from amd_mm.checkpoints.layouts import LAYOUTS, Layout
from amd_mm.checkpoints.matching import (
    Match,
    assemble,
    detect,
    require_complete,
    require_explained,
    show,
    split_part,
    strip_outer_prefixes,
)
from amd_mm.checkpoints.reading import Checkpoint
from amd_mm.checkpoints.unsupported import name_parts, require_supported, require_unambiguous


@dataclass
class Canonical:
    """Weights of a file under canonical names (see :mod:`amd_mm.checkpoints.layouts`).

    Attributes:
        weights: Canonical names to tensors; what is one tensor in the file is not copied.
        sources: Canonical names to the file's names.
        layout: The layout that the file has.
        dropped: The file's names that were left out, with the reason.
    """

    weights: dict[str, Tensor]
    sources: dict[str, tuple[str, ...]]
    layout: Layout
    dropped: dict[str, str]


def match_layout(checkpoint: Checkpoint, name: str | None = None,
                 layouts: Iterable[Layout] = LAYOUTS) -> tuple[dict[str, Tensor], Match]:
    """The file's weights without what is around a model, and how their layout reads them.

    Args:
        checkpoint: What was read.
        name: The layout's name where the user gave it.
        layouts: The tables to try.

    Raises:
        ValueError: As :func:`~amd_mm.checkpoints.matching.detect` does.
    """
    state, others = take_encoder(strip_outer_prefixes(checkpoint.state_dict))
    match = detect(state, name, layouts)
    match.unused.update(others)
    return state, match


def canonical_weights(checkpoint: Checkpoint, part: str, name: str | None = None,
                      layouts: Iterable[Layout] = LAYOUTS) -> Canonical:
    """The weights of a file, every key of it accounted for and every block complete.

    Args:
        checkpoint: What was read.
        part: ``'encoder'``, or ``'all'`` that is in the file.
        name: The layout's name where the user gave it.
        layouts: The tables to try.

    Raises:
        ValueError: If no layout fits, a key cannot be explained, a block lacks a weight, or the
            network computes something else than ours do with such weights.
    """
    require_supported(checkpoint)
    state, match = match_layout(checkpoint, name, layouts)
    dropped = split_part(match, part)
    require_explained(match, part)
    weights = assemble(state, match)
    require_complete(weights)
    if match.layout.name in ('mae', 'timm'):
        require_unambiguous(checkpoint, weights)
    return Canonical(weights, match.sources, match.layout, dropped)


class Differences(NamedTuple):
    """What keeps weights from filling a model exactly; names, sorted.

    Attributes:
        missing: In the model alone.
        unexpected: In the weights alone.
        reshaped: In both, with other shapes: name and both shapes.
    """
    missing: list[str]
    unexpected: list[str]
    reshaped: list[str]

    def __str__(self) -> str:
        """For people, what it is before any keys; empty where nothing differs."""
        return '; '.join(
            f'{what}: {_in_words(names)}' for what, names in (
                ('not in the checkpoint', self.missing), ('not in the model', self.unexpected),
                ('of another shape', self.reshaped)) if names)


def _in_words(names: list[str]) -> str:
    words = name_parts(names)
    return f'{words} ({show(names, 8)})' if words else show(names, 8)


def compare_weights(weights: Mapping[str, Tensor], model: Mapping[str, Tensor],
                    may_miss: Collection[str] = (),
                    may_be_left: Collection[str] = ()) -> Differences:
    """Compare weights with the state dict of the model that they are to fill.

    Args:
        weights: Names to tensors, as the model spells them.
        model: Its state dict.
        may_miss: Names of the model that the weights need not have.
        may_be_left: Names of the weights that the model need not have.
    """
    return Differences(
        sorted(model.keys() - weights.keys() - set(may_miss)),
        sorted(weights.keys() - model.keys() - set(may_be_left)),
        [f'{name} (checkpoint {tuple(weights[name].shape)}, model {tuple(model[name].shape)})'
         for name in sorted(model.keys() & weights.keys())
         if weights[name].shape != model[name].shape])
