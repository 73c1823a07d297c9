"""Conversion between layouts: exact, or an error before anything is written."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mmengine.utils import to_2tuple
from torch import Tensor

from amd_mm.checkpoints.adapting import resize_tubelet
from amd_mm.checkpoints.architecture import (
    Architecture,
    architecture_of,
    computed_positions,
    heads_of,
    with_usual_size,
)
from amd_mm.checkpoints.canonical import canonical_weights
from amd_mm.checkpoints.facts import (
    FACTS,
    SMALL_EPS,
    SPACE_TIME,
    NetworkFacts,
    list_facts,
    size_text,
    unsaid_facts,
)
from amd_mm.checkpoints.layouts import LAYOUT_NAMES, LAYOUTS, Layout
from amd_mm.checkpoints.matching import show, spell
from amd_mm.checkpoints.reading import Checkpoint
from amd_mm.checkpoints.saved_config import config_text
from amd_mm.checkpoints.unsupported import name_parts
from amd_mm.checkpoints.values import check_values
from amd_mm.positions import fixed_positions, is_fixed, resize_positions


@dataclass(frozen=True)
class Options:
    """What a conversion is asked for.

    Attributes:
        source: Layout of the source; None finds it.
        target: Layout to write, one of ``LAYOUT_NAMES``.
        part: ``'encoder'``, or ``'all'`` that is in the file.
        num_frames, img_size, tubelet: Frames, pixels (of a side, or rows and columns) and
            frames a token to interpolate for.
        source_frames, source_size: What the source was trained with, where it does
            not say so itself.
        num_heads, decoder_heads: Attention heads, where the source does not say so.
        positions: Kind of the fixed table of clips, ``'sequence'`` or ``'space-time'``, where
            the source neither holds it nor says so.
    """

    target: str
    source: str | None = None
    part: str = 'all'
    num_frames: int | None = None
    img_size: int | tuple[int, int] | None = None
    tubelet: int | None = None
    source_frames: int | None = None
    source_size: int | tuple[int, int] | None = None
    num_heads: int | None = None
    decoder_heads: int | None = None
    positions: str | None = None


@dataclass
class Conversion:
    """A conversion in memory.

    Attributes:
        weights: The target's names to tensors.
        canonical: Canonical names to the same tensors.
        sources: Canonical names to the names in the source.
        source, target: The layouts.
        net: The encoder's architecture after the conversion.
        dropped: Names of the source that were left out, with the reason.
        unfilled: Canonical names that the target's model has to bring itself, with the
            reason.
        checkpoint: The source.
        options: What was asked for.
        notes: What else has to be known to use the result.
    """

    weights: dict[str, Tensor]
    canonical: dict[str, Tensor]
    sources: dict[str, tuple[str, ...]]
    source: Layout
    target: Layout
    net: Architecture
    dropped: dict[str, str]
    checkpoint: Checkpoint
    options: Options
    unfilled: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def convert_weights(checkpoint: Checkpoint, options: Options) -> Conversion:
    """Convert weights in memory; tensors are shared with the source where possible.

    Raises:
        ValueError: If a key cannot be explained or has no place in the target, if
            positions do not fit, or the weights are no floating-point numbers.
    """
    if options.part not in ('encoder', 'all'):
        raise ValueError(f"Part: must be 'encoder' or 'all', got {options.part!r}.")
    source = canonical_weights(checkpoint, options.part, options.source)
    canonical = source.weights
    check_values(canonical, str(checkpoint.path))
    net = _source_architecture(canonical, checkpoint, options)
    target = _target_layout(options.target, net.modality)
    result = Conversion({}, canonical, source.sources, source.layout, target, net,
                        source.dropped, checkpoint, options)
    _resize(result)
    _settle_positions(result)
    _require_expressible(result)
    _settle_pooling_norm(result)
    _list_unfilled(result)
    result.weights, homeless = spell(canonical, target)
    if homeless:
        words = f'{parts}: ' if (parts := name_parts(homeless)) else ''
        raise ValueError(
            f'Target layout {target.label}: must have a place for every weight, but has none for '
            f'{words}{show(homeless)} (canonical names). {_remedy(homeless)}')
    return result


def report(result: Conversion) -> list[str]:
    """What was done, in lines for people."""
    lines = [f'{result.source.label} -> {result.target.label}: {len(result.weights)} weights, '
             f'{describe(result.net)}']
    for title, listed in (('dropped', result.dropped), ('not filled', result.unfilled)):
        by_reason: dict[str, list[str]] = {}
        for name, reason in listed.items():
            by_reason.setdefault(reason, []).append(name)
        lines += [f'{title}: {show(names, 4)} ({reason})' for reason, names in by_reason.items()]
    return lines + result.notes


def describe(net: Architecture) -> str:
    """An architecture in a few words."""
    size = '' if net.image_size is None else f', {size_text(net.image_size)} pixels'
    clip = '' if net.modality == 'image' else (
        f', tubelet {net.tubelet}' + (f', {net.num_frames} frames' if net.num_frames else ''))
    return (f'{net.modality} encoder of width {net.width}, depth {net.depth}, patch '
            f'{net.patch}{size}{clip}')


def _source_architecture(weights: Mapping[str, Tensor], checkpoint: Checkpoint,
                         options: Options) -> Architecture:
    net = architecture_of(weights, checkpoint)
    said = {'image_size': _rows_and_columns(options.source_size),
            'num_frames': options.source_frames, 'num_heads': options.num_heads,
            'positions': options.positions, 'decoder_heads': options.decoder_heads}
    if options.positions is not None and 'encoder.pos_embed' in weights:
        raise ValueError(f'Source {checkpoint.path}: holds its positions, so that --positions must '
                         f'be left out, got {options.positions!r}.')
    for name, value in said.items():
        known = getattr(net, name)
        if value is not None and known is not None and value != known:
            raise ValueError(f'Source {checkpoint.path}: {name} must be what the file says, '
                             f'{known}, but {value} was given. Leave the option out.')
    given: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    return replace(net, **given)


def _rows_and_columns(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    rows, columns = to_2tuple(size)
    return rows, columns


def _target_layout(name: str, modality: str) -> Layout:
    layout = next((layout for layout in LAYOUTS
                   if (layout.name, layout.modality) == (name, modality)), None)
    if layout is None:
        fitting = [layout.name for layout in LAYOUTS if layout.modality == modality]
        rule = f'must be one of {", ".join(fitting)} for an encoder of {modality}s'
        known = '' if name in LAYOUT_NAMES else f'; layouts are {", ".join(LAYOUT_NAMES)}'
        raise ValueError(f'Target layout: {rule}, got {name!r}{known}.')
    return layout


def _resize(result: Conversion) -> None:
    """Interpolate positions and tubelet if another size or frame count is asked for."""
    options, net, weights = result.options, result.net, result.canonical
    sizes = {'image_size': _rows_and_columns(options.img_size), 'num_frames': options.num_frames,
             'tubelet': options.tubelet}
    asked: dict[str, Any] = {name: value for name, value in sizes.items() if value is not None}
    if net.modality == 'image' and asked.keys() & {'num_frames', 'tubelet'}:
        raise ValueError('--num-frames and --tubelet: must be left out for an image encoder, got '
                         f'{options.num_frames} and {options.tubelet}.')
    if all(getattr(net, name) == value for name, value in asked.items()):
        return
    net = with_usual_size(net)
    new = replace(net, **asked)
    assert new.image_size is not None and new.num_frames is not None
    sides = [(side, new.patch) for side in new.image_size]
    if new.tubelet < 1 or any(length < 1 or length % step for length, step in (
            *sides, (new.num_frames, new.tubelet))):
        raise ValueError(
            f'Positions: image size and frames must be positive multiples of patch {new.patch} and '
            f'tubelet {new.tubelet}, got {size_text(new.image_size)} and {new.num_frames}.')
    if any(name.startswith(('decoder.', 'neck.')) for name in weights):
        raise ValueError(
            f'Positions: another grid ({_grid(new)} instead of {_grid(net)}) must be asked for '
            'the encoder alone, but the file holds a decoder or neck. Add --part encoder.')
    if new.tubelet != net.tubelet:
        weights['encoder.patch.weight'] = resize_tubelet(
            weights['encoder.patch.weight'], new.tubelet)
    if new.grid != net.grid:
        prefix = int(net.class_token)
        table = weights.get('encoder.pos_embed')
        if table is None:
            table = computed_positions(net)
        table = weights['encoder.pos_embed'] = resize_positions(
            table, net.known_grid, new.known_grid, prefix)
        new = replace(new, num_positions=table.shape[1], positions=None)
    result.net = new


def _settle_positions(result: Conversion) -> None:
    """Fill tables that the target stores, and drop those that its model computes."""
    net, weights, target = result.net, result.canonical, result.target
    if net.modality == 'image' and 'encoder.pos_embed' not in weights:
        raise ValueError(f'Source {result.checkpoint.path}: an image encoder must have positions, '
                         'but the file has none. It is not a whole model.')
    if not target.stores_encoder_positions and 'encoder.pos_embed' in weights:
        # The fixed table of clips is one-dimensional: only the number of tokens counts.
        _drop_fixed(result, 'encoder.pos_embed', (weights['encoder.pos_embed'].shape[1], 1, 1), 0)
    if 'encoder.pos_embed' not in weights:
        _fill_positions(result)
    if 'decoder.pos_embed' in weights and not target.stores_decoder_positions:
        _drop_fixed(result, 'decoder.pos_embed', net.grid, int(net.class_token))
    elif (target.stores_decoder_positions and 'decoder.mask_token' in weights
          and 'decoder.pos_embed' not in weights):
        weights['decoder.pos_embed'] = fixed_positions(
            net.modality, net.known_grid, weights['decoder.mask_token'].shape[2],
            int(net.class_token))


def _fill_positions(result: Conversion) -> None:
    net, target = result.net, result.target
    if net.positions == SPACE_TIME:
        if not target.stores_encoder_positions:
            raise ValueError(
                f"Target layout {target.label}: its model computes VideoMAE's positions, but the "
                "source has MVD's, of time and space. Choose --to amd_mm.")
        net = with_usual_size(net)
    if not target.stores_encoder_positions:
        return
    if net.grid is None:
        result.unfilled['encoder.pos_embed'] = (
            'fixed table, computed by the model; the file does not say its size')
        return
    table = result.canonical['encoder.pos_embed'] = computed_positions(net)
    result.net = replace(net, num_positions=table.shape[1], positions=None)


def _require_expressible(result: Conversion) -> None:
    """Refuse a target whose network cannot be told to compute what the source's does.

    Raises:
        ValueError: If activation, epsilon or scale of logits are unusual and the target's files do
            not say them.
    """
    net, target = result.net, result.target
    unusual = unsaid_facts(NetworkFacts(), net, net.width)
    heads = unusual.pop('num_heads', None)
    mute = {name: line for name, line in unusual.items() if name not in target.says}
    if mute:
        others = [layout.name for layout in LAYOUTS if layout.modality == net.modality
                  and unusual.keys() <= set(layout.says)]
        raise ValueError(
            f'Target layout {target.label}: its network must compute what the source does, but '
            f'cannot be told of {"; ".join(mute.values())}. '
            + (f'Choose --to {" or ".join(others)}.' if others else 'No layout can.'))
    if heads is not None and 'num_heads' not in target.says:
        result.notes.append(f'{heads} for the width; the file does not say it, so set it where '
                            'the weights are read')


def _drop_fixed(result: Conversion, name: str, grid: tuple[int, int, int] | None,
                prefix: int) -> None:
    table = result.canonical[name]
    if grid is None or not is_fixed(table, result.net.modality, grid, prefix):
        raise ValueError(
            f'Target layout {result.target.label}: its model computes the table {name}, so the '
            f'source must hold the same fixed table, but its table of shape {tuple(table.shape)} '
            'is another (learned, interpolated or of other axes). Choose a target that stores '
            'positions, or --part encoder if it is the decoder\'s.')
    _drop(result, name, 'fixed positions, computed by the model')


def _drop(result: Conversion, canonical: str, reason: str) -> None:
    del result.canonical[canonical]
    keys = result.sources.get(canonical, (canonical,))
    result.dropped.update(dict.fromkeys(keys, reason))


def _settle_pooling_norm(result: Conversion) -> None:
    """The norm after pooling goes with the head where the target's encoder has none."""
    if result.options.part == 'encoder' and result.target.folder:
        for name in [name for name in result.canonical if name.startswith('encoder.fc_norm.')]:
            _drop(result, name, 'norm after pooling, which goes with the head in the target')


def _list_unfilled(result: Conversion) -> None:
    weights = result.canonical
    generators = {name.split('.')[2] for name in weights if name.startswith('neck.generators.')}
    for index in sorted(generators):
        name = f'neck.generators.{index}.mask_token'
        if name not in weights:
            result.unfilled[name] = 'the released code neither trains nor saves it'
    biases = ('q_bias', 'v_bias') if result.net.modality == 'video' else ('qkv.bias',)
    for bias in biases:
        if f'encoder.blocks.0.{bias}' not in weights:
            result.unfilled[f'encoder.blocks.{{i}}.{bias}'] = (
                'the source has none: build the model without (qkv_bias=False)')
    if not any(name.startswith(('encoder.norm.', 'encoder.fc_norm.')) for name in weights):
        result.unfilled['encoder.norm.*'] = 'the source has no norm after the last block'


def _remedy(homeless: list[str]) -> str:
    if all(name.startswith('encoder.fc_norm.') for name in homeless):
        return ('Its classifier reads the class token and has no norm after mean pooling: choose '
                '--to timm, or --part encoder.')
    if any(name.startswith('encoder.') for name in homeless):
        return 'Choose another target.'
    return 'Add --part encoder, or choose --to amd_mm.'


def envelope(result: Conversion) -> dict[str, Any]:
    """The weights in the envelope that the target's library opens."""
    if result.target.name == 'timm':
        return result.weights
    if result.target.name in ('videomae', 'mae'):
        return {'model': result.weights}
    # The facts hold where they differ from the config, as after positions are interpolated.
    meta: dict[str, Any] = {'converted_from': result.checkpoint.path.name,
                            'source_layout': result.source.name, 'facts': said_facts(result)}
    if text := config_text(result.checkpoint.mmengine):
        meta['cfg'] = text
    if names := class_names(result.checkpoint):
        meta['dataset_meta'] = {'classes': names}
    return {'state_dict': result.weights, 'meta': meta}


def settle_facts(result: Conversion) -> Architecture:
    """Take what the source leaves unsaid as usual, in place, and note what was assumed.

    Targets that say their facts, or are made of them, need all: folders, ONNX and model cards.

    Raises:
        ValueError: If heads are unsaid and the width has no usual ones, or the usual size
            contradicts the number of positions.
    """
    before = result.net
    net = with_usual_size(before)
    result.net = net = replace(
        net, num_heads=heads_of(net), activation=net.activation or 'gelu',
        norm_eps=SMALL_EPS if net.norm_eps is None else net.norm_eps)
    assumed = NetworkFacts(**{name: getattr(net, name) for name in FACTS
                              if getattr(before, name) is None})
    if lines := list_facts(assumed):
        result.notes.append(f'assumed, because the source does not say: {", ".join(lines)}')
    return net


def class_names(checkpoint: Checkpoint) -> list[str]:
    """Names of the classes in order, as the source says them; empty: it does not.

    Looked at are ``id2label`` of Transformers, timm's ``label_names`` and MMEngine's ``classes``.
    """
    by_number = checkpoint.config.get('id2label')
    dataset = checkpoint.mmengine.get('dataset_meta')
    found = checkpoint.config.get('label_names')
    if isinstance(by_number, Mapping) and all(str(key).isdigit() for key in by_number):
        found = [by_number[key] for key in sorted(by_number, key=int)]
    elif isinstance(dataset, Mapping):
        found = dataset.get('classes')
    if not isinstance(found, Sequence) or not all(isinstance(name, str) for name in found):
        return []
    return list(found)


def said_facts(result: Conversion) -> dict[str, Any]:
    """What is known of the network and no tensor holds, for :func:`facts_of` to read."""
    return {name: value for name in FACTS if (value := getattr(result.net, name)) is not None}


def _grid(net: Architecture) -> str:
    return ' x '.join(map(str, net.grid or ()))

