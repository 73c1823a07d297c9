"""Strict loading of weights into our encoders, from any layout."""
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Protocol

from mmengine.logging import print_log
from torch import Tensor, nn

from amd_mm.checkpoints.adapting import adapt_to_grid, input_text
from amd_mm.checkpoints.architecture import (
    USUAL_FRAMES,
    USUAL_SIZE,
    Architecture,
    architecture_of,
)
from amd_mm.checkpoints.canonical import canonical_weights, compare_weights
from amd_mm.checkpoints.facts import (
    IMAGENET,
    SEQUENCE,
    SPACE_TIME,
    NetworkFacts,
    compare_facts,
    show_fact,
    size_text,
    unsaid_facts,
)
from amd_mm.checkpoints.layouts import LAYOUTS, Layout
from amd_mm.checkpoints.matching import count_reasons, show, spell
from amd_mm.checkpoints.reading import Checkpoint, read_checkpoint
from amd_mm.checkpoints.values import check_values

# What a pre-training or fine-tuning checkpoint holds besides its backbone.
_OTHER_PARTS = re.compile(r'(decoder|necks?|head|cls_head|data_preprocessor)\.')
_CONVERT = 'amd-mm convert SRC DST --part encoder'


class LoadableEncoder(Protocol):
    """What loading asks of an encoder, besides being a torch module.

    Attributes:
        layout: How checkpoints of its class name the weights.
        final_norm_name: Its norm after the last block in the state dict.
        pooling_norm_name: Its norm after pooling, likewise.
    """

    layout: ClassVar[Layout]
    final_norm_name: ClassVar[str]
    pooling_norm_name: ClassVar[str]

    @property
    def architecture(self) -> Architecture:
        """What a file has to fit."""

    @property
    def new_norms(self) -> tuple[str, ...]:
        """Those of the two names above whose weights start anew in the present use."""

    def state_dict(self) -> dict[str, Tensor]:
        """As a torch module's."""

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """As a torch module's."""

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool) -> object:
        """As a torch module's."""


def fill_encoder(backbone: LoadableEncoder, path: str | Path, *, trust: bool = False,
                 decoder: nn.Module | None = None) -> Architecture:
    """Fill an encoder from a checkpoint of any layout, strictly.

    Everything that is not the encoder (decoder, neck, head) is dropped, unless a decoder is
    given. The norms behind the last block and the pooling differ between pre-trained and
    fine-tuned files and touch no block's output: they are dropped where the backbone has none,
    and where the file has none a warning says so. Fixed positions may be missing in the file;
    positions of another grid are an error.

    Args:
        backbone: The encoder to fill, with all the blocks of the file.
        path: Checkpoint file or Transformers folder.
        trust: Unpickle arbitrary classes, see :func:`read_state_dict`.
        decoder: The pixel decoder to fill from the same file, as strictly.

    Returns:
        What the file is, and what it says that its weights do not tell (pixel statistics).

    Raises:
        ValueError: If the file cannot be read or does not fit; says width, depth,
            patch, tubelet, frames, heads or keys that do not.
    """
    checkpoint = read_checkpoint(path, trust)
    weights = _weights_of(checkpoint, 'encoder' if decoder is None else 'all')
    file = architecture_of(weights, checkpoint)
    if decoder is not None:
        _load_decoder(decoder, weights, file, backbone.layout, path)
        weights = {name: value for name, value in weights.items() if name.startswith('encoder.')}
    _require_fit(weights, backbone, file, checkpoint.path)
    named = _our_names(weights, backbone)
    norms = {name for name in named.keys() ^ backbone.state_dict().keys()
             if name.split('.')[0] in _norm_names(backbone)}
    _load(backbone, named, path, norms, norms | _fixed_positions(backbone))
    if missing := sorted(norms - named.keys()):
        warnings.warn(f'Checkpoint {path}: has no {show(missing)}, which the model keeps as they '
                      'were: read features of blocks, not what comes behind them.', stacklevel=2)
    return file


def load_pretrained(backbone: LoadableEncoder, checkpoint: str | Path,
                    prefix: str | None = None) -> None:
    """Load a pre-trained encoder for fine-tuning, strictly.

    What ``init_cfg=dict(type='Pretrained', checkpoint=..., prefix='backbone.')`` of a host
    only logs stops here (mmengine loads with ``strict=False``). Left over may be the
    decoder, neck, head and the norm of the other stage of training; missing may be the
    pooling norm, fixed positions and, for detection (``return_feat_map``), the backbone's own
    norm; nothing else. Positions of other frame counts, sizes and tubelets are
    interpolated.

    Args:
        backbone: The encoder to fill.
        checkpoint: Path or address.
        prefix: What stands before the backbone's keys in a checkpoint of ours; None
            finds layout and prefix from the keys and reads foreign layouts too.

    Raises:
        ValueError: If the file cannot be read or does not fit.
    """
    content = read_checkpoint(checkpoint)
    if prefix is not None:
        content.state_dict = _behind(prefix, content)
    weights = _weights_of(
        content, 'encoder', LAYOUTS if prefix is None else (backbone.layout, ))
    file, model = architecture_of(weights, content), backbone.architecture
    if file.modality == model.modality:
        file = adapt_to_grid(weights, file, model, content.path)
    _require_fit(weights, backbone, file, content.path)
    named = _our_names(weights, backbone)
    leftover = {name for name in named.keys() - backbone.state_dict().keys()
                if name.split('.')[0] in _norm_names(backbone)}
    new_norms = {name for name in backbone.state_dict() if name.split('.')[0] in backbone.new_norms}
    _load(backbone, named, checkpoint, leftover, new_norms | _fixed_positions(backbone))
    if compare_facts(NetworkFacts(mean=file.mean, std=file.std), NetworkFacts(
            mean=IMAGENET[0], std=IMAGENET[1])):
        warnings.warn(
            f'Checkpoint {checkpoint}: was trained on pixels of mean {show_fact(file.mean)} and '
            f"deviation {show_fact(file.std)} (0-255), which are not ImageNet's. Give the "
            'data_preprocessor the same.', stacklevel=2)


def _behind(prefix: str, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The weights behind ``prefix``, if all others are parts of a model of ours."""
    if prefix and not prefix.endswith('.'):
        prefix += '.'
    state = {key[len(prefix):]: value for key, value in checkpoint.state_dict.items()
             if key.startswith(prefix)}
    if not state:
        tops = sorted({key.split('.')[0] for key in checkpoint.state_dict})
        raise ValueError(
            f'Checkpoint {checkpoint.path}: keys must start with {prefix!r}, but they start with '
            f'{show(tops)}. Correct the prefix, or leave it out: then the layout is found from '
            'the keys.')
    others = [key for key in checkpoint.state_dict
              if not key.startswith(prefix) and not _OTHER_PARTS.match(key)]
    if others:
        raise ValueError(
            f'Checkpoint {checkpoint.path}: besides {prefix!r} there may be a decoder, neck, head '
            f'and data_preprocessor, but found {show(others)}. It is not a checkpoint of ours.')
    return state


def _weights_of(checkpoint: Checkpoint, part: str,
                layouts: Collection[Layout] = LAYOUTS) -> dict[str, Tensor]:
    """Canonical weights of the encoder, or of all that is there."""
    found = canonical_weights(checkpoint, part, layouts=layouts)
    print_log(f'{checkpoint.path}: encoder in the layout {found.layout.label}'
              + ''.join(f'; {line}' for line in count_reasons(found.dropped)), 'current')
    return found.weights


def _load_decoder(decoder: nn.Module, weights: Mapping[str, Tensor], file: Architecture,
                  layout: Layout, path: str | Path) -> None:
    """Fill a pixel decoder of ours; the file's positions, where it has any, are taken too.

    Raises:
        ValueError: If the file has no decoder, or another one.
    """
    named = {name: value for name, value in weights.items() if name.startswith('decoder.')}
    if not named:
        raise ValueError(
            f'Checkpoint {path}: must hold a pixel decoder, but has an encoder alone. Take the '
            'file of the whole pre-training, or leave model.teacher.decoder out.')
    heads = decoder.get_submodule('blocks.0.attn').num_heads
    if file.decoder_heads not in (None, heads):
        raise ValueError(
            f'Checkpoint {path}: its decoder has {file.decoder_heads} heads, but '
            f'model.teacher.decoder {heads}. Set num_heads there.')
    positions = named.pop('decoder.pos_embed', None)
    named = {name.removeprefix('decoder.'): value
             for name, value in spell(named, layout)[0].items()}
    own = decoder.state_dict()
    if positions is not None:
        named['pos_embed'], own['pos_embed'] = positions, decoder.get_buffer('pos_embed')
    if problems := str(compare_weights(named, own)):
        raise ValueError(f'Checkpoint {path}: must fit model.teacher.decoder exactly, but '
                         f'{problems}. Make it agree with the checkpoint.')
    check_values(named, str(path))
    if positions is not None:
        decoder.get_buffer('pos_embed').copy_(named.pop('pos_embed'))
    decoder.load_state_dict(named)


def _our_names(weights: Mapping[str, Tensor], backbone: LoadableEncoder) -> dict[str, Tensor]:
    named, _ = spell(weights, backbone.layout)
    return {name.removeprefix('backbone.'): value for name, value in named.items()}


def _norm_names(backbone: LoadableEncoder) -> tuple[str, str]:
    """Norms that pre-training and fine-tuning do not share."""
    return backbone.final_norm_name, backbone.pooling_norm_name


def _require_fit(weights: Mapping[str, Tensor], backbone: LoadableEncoder, file: Architecture,
                 path: Path) -> None:
    """Refuse what does not fit, and warn of what is unsaid and unusual."""
    own = backbone.architecture
    if file.modality != own.modality:
        raise ValueError(f'Checkpoint {path}: must be an encoder of {own.modality}s as '
                         f'the model is, but it is one of {file.modality}s. Take another file.')
    if differences := file.differences(own):
        mine = _our_names(weights, backbone)
        theirs = backbone.state_dict()
        shapes = ', '.join(
            f'{what} {tuple(mine[name].shape)} against {tuple(theirs[name].shape)}'
            for what, name in (('patch embedding', 'patch_embed.projection.weight'),
                               ('positions', 'pos_embed'))
            if name in mine and name in theirs and mine[name].shape != theirs[name].shape)
        raise ValueError(f'Checkpoint {path}: must fit the config, but {"; ".join(differences)}'
                         + (f' ({shapes})' if shapes else '') + f'. {_remedy(file, own)}')
    _require_aspect(weights, file, own, path)
    for line in _unsaid(weights, file, own):
        warnings.warn(f'Checkpoint {path}: {line}', stacklevel=4)


def _unsaid(weights: Mapping[str, Tensor], file: Architecture, own: Architecture) -> list[str]:
    """What the file neither holds nor says, and the model may compute otherwise."""
    lines = []
    if unusual := unsaid_facts(file, own, own.width):
        lines.append('does not say what its network has of these, and the model is unusual in '
                     f'them: {"; ".join(unusual.values())}. Compare with the source of the file '
                     'whether it was trained so.')
    if 'encoder.pos_embed' in weights or own.modality == 'image':
        return lines
    usual = replace(own, image_size=USUAL_SIZE, num_frames=USUAL_FRAMES)
    if file.grid is None and own.grid != usual.grid:
        lines.append(
            'holds no positions and does not say its frames and size. The model computes them for '
            f'{input_text(own)}; were they for {input_text(usual)}, as usual, interpolate them '
            f'with `{_CONVERT}{_size_options(own)}`.')
    if file.positions is None and own.positions is not None and (
            'encoder.fc_norm.weight' in weights):
        lines.append(
            "is a fine-tuned encoder without positions; the model computes VideoMAE's. If the file "
            'is one of MVD, whose positions are others, convert it first with '
            f'`{_CONVERT} --positions {SPACE_TIME}`.')
    return lines


def _remedy(file: Architecture, own: Architecture) -> str:
    """What can be done about a file that does not fit."""
    resized = replace(file, image_size=own.image_size, num_frames=own.num_frames,
                      num_positions=own.num_positions)
    if own.image_size is not None and not resized.differences(own):
        return ('Change img_size and num_frames in the config, or interpolate the positions with '
                f'`{_CONVERT}{_size_options(own)}`.')
    if file.positions == SPACE_TIME and not replace(file, positions=SEQUENCE).differences(own):
        return (f"They are MVD's and not in the file: convert it first with `{_CONVERT}`, which "
                'writes them.')
    if file.activation not in (None, own.activation):
        return 'No setting of the model changes the activation: take another file.'
    return 'Change the config to the checkpoint\'s values, or take another file.'


def _size_options(own: Architecture) -> str:
    sides = 'x'.join(map(str, dict.fromkeys(own.image_size or ())))
    frames = '' if own.modality == 'image' else f' --num-frames {own.num_frames}'
    return f' --img-size {sides}{frames}'


def _require_aspect(weights: Mapping[str, Tensor], file: Architecture, own: Architecture,
                    path: Path) -> None:
    """Refuse a position table whose rows and columns nothing tells, unless both are as usual."""
    if 'encoder.pos_embed' not in weights or file.image_size is not None or own.image_size is None:
        return
    rows, columns = own.image_size
    if rows != columns:
        raise ValueError(
            f'Checkpoint {path}: must say the rows and columns of its {file.num_positions} '
            f'positions, because the model\'s input is {size_text(own.image_size)}, but it says '
            'nothing: they may stand the other way round. Convert it first with '
            f'`{_CONVERT} --source-size ROWSxCOLUMNS`, which says it.')


def _fixed_positions(backbone: LoadableEncoder) -> set[str]:
    """The position table is computed, and may be missing, where it is no parameter."""
    return {'pos_embed'} & dict(backbone.named_buffers()).keys()


def _load(backbone: LoadableEncoder, state: Mapping[str, Tensor], path: str | Path,
          leftover: Collection[str], missing_fine: Collection[str]) -> None:
    """Load with exactly the expected keys left over and missing."""
    own = backbone.state_dict()
    differences = compare_weights(state, own, missing_fine, leftover)
    if any(differences):
        remedy = 'Make the config agree with the checkpoint.'
        if {name.split('.')[0] for names in differences for name in names} == {
                backbone.final_norm_name}:
            remedy = ('A student that learned of features and of no pixels has no norm behind its '
                      'last block: leave it out of the model (final_norm=False, or '
                      'use_mean_pooling=True for clips), or read features of a block (--layer).')
        raise ValueError(f'Checkpoint {path}: must fit the model exactly, but {differences}. '
                         f'{remedy}')
    check_values(state, str(path))
    kept = {name: value for name, value in state.items() if name in own}
    backbone.load_state_dict(kept, strict=False)
