"""Strict loading of weights into our encoders, from any layout."""
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from mmengine.fileio import get_local_path
from mmengine.logging import print_log
from torch import Tensor, nn

from amd_mm.checkpoints.adapting import adapt_to_grid
from amd_mm.checkpoints.architecture import Architecture, architecture_of
from amd_mm.checkpoints.layouts import LAYOUTS, Layout
from amd_mm.checkpoints.matching import (
    assemble,
    count_reasons,
    detect,
    require_complete,
    require_explained,
    show,
    spell,
    split_part,
    strip_outer_prefixes,
)
from amd_mm.checkpoints.reading import Checkpoint, read_checkpoint
from amd_mm.checkpoints.values import check_values

# What a pre-training or fine-tuning checkpoint holds besides its backbone.
_OTHER_PARTS = re.compile(r'(decoder|neck|head|cls_head|data_preprocessor)\.')
# Norms that pre-training and fine-tuning do not share: after the last block, after pooling.
_FINAL_NORMS = {'image': ('ln1', 'ln2'), 'video': ('norm', 'fc_norm')}
_POOLING_NORMS = {'image': 'ln2', 'video': 'fc_norm'}


def load_encoder(backbone: nn.Module, path: str | Path, *, trust: bool = False) -> None:
    """Loads the encoder of a checkpoint of any layout, strictly.

    Everything that is not the encoder (decoder, neck, head) is dropped. The norms behind
    the last block and the pooling differ between pre-trained and fine-tuned files and touch
    no block's output: they are dropped where the backbone has none, and where the file has
    none a warning says so. Fixed positions may be missing in the file; positions of another
    grid are an error.

    Args:
        backbone: An ``ImageVisionTransformer`` or ``VideoVisionTransformer`` (or the
            host's class) with all the blocks of the file.
        path: Checkpoint file or Transformers folder.
        trust: Unpickle arbitrary classes, see :func:`read_state_dict`.

    Raises:
        ValueError: If the file cannot be read or does not fit; says width, depth,
            patch, tubelet, frames or keys that do not.
    """
    checkpoint = read_checkpoint(path, trust)
    weights = _encoder_of(checkpoint)
    _require_fit(weights, backbone, architecture_of(weights, checkpoint), checkpoint.path)
    named = _our_names(weights, backbone)
    norms = {name for name in named.keys() ^ backbone.state_dict().keys()
             if name.split('.')[0] in _FINAL_NORMS[_our_layout(backbone).modality]}
    _load(backbone, named, path, norms, norms | _fixed_positions(backbone))
    if missing := sorted(norms - named.keys()):
        warnings.warn(f'Checkpoint {path}: has no {show(missing)}, which the model keeps as they '
                      'were: read features of blocks, not what comes behind them.', stacklevel=2)


def load_pretrained(backbone: nn.Module, checkpoint: str | Path,
                    prefix: str | None = None) -> None:
    """Loads a pre-trained encoder for fine-tuning, strictly.

    What ``init_cfg=dict(type='Pretrained', checkpoint=..., prefix='backbone.')`` of a host
    only logs stops here (mmengine loads with ``strict=False``). Left over may be the
    decoder, neck, head and the norm of the other stage of training; missing may be the
    pooling norm, fixed positions and, for detection (``return_feat_map``), the backbone's own
    norm; nothing else. Positions of other frame counts, sizes and tubelets are
    interpolated.

    Args:
        backbone: The encoder to fill.
        checkpoint: Path, or an address that MMEngine's file backends read.
        prefix: What stands before the backbone's keys in a checkpoint of ours; None
            finds layout and prefix from the keys and reads foreign layouts too.

    Raises:
        ValueError: If the file cannot be read or does not fit.
    """
    if '://' in str(checkpoint):
        with get_local_path(str(checkpoint)) as local:
            content = read_checkpoint(local)
    else:
        content = read_checkpoint(checkpoint)
    if prefix is not None:
        content.state_dict = _behind(prefix, content)
    weights = _encoder_of(content, None if prefix is None else _our_layout(backbone))
    file, model = architecture_of(weights, content), _architecture_of_model(backbone)
    if file.modality == model.modality:
        file = adapt_to_grid(weights, file, model, content.path)
    _require_fit(weights, backbone, file, content.path)
    named = _our_names(weights, backbone)
    leftover = {name for name in named.keys() - backbone.state_dict().keys()
                if name.split('.')[0] in _FINAL_NORMS[file.modality]}
    _load(backbone, named, checkpoint, leftover, _own_norms(backbone) | _fixed_positions(backbone))


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


def _encoder_of(checkpoint: Checkpoint,
                layout: Layout | None = None) -> dict[str, Tensor]:
    """Canonical weights of the encoder, every key of the file accounted for."""
    state = strip_outer_prefixes(checkpoint.state_dict)
    match = detect(state, layouts=LAYOUTS if layout is None else [layout])
    dropped = split_part(match, 'encoder')
    require_explained(match)
    weights = assemble(state, match)
    require_complete(weights)
    print_log(f'{checkpoint.path}: encoder in the layout {match.layout.label}'
              + ''.join(f'; {line}' for line in count_reasons(dropped)), 'current')
    return weights


def _our_names(weights: Mapping[str, Tensor], backbone: nn.Module) -> dict[str, Tensor]:
    named, _ = spell(weights, _our_layout(backbone))
    return {name.removeprefix('backbone.'): value for name, value in named.items()}


def _our_layout(backbone: nn.Module) -> Layout:
    is_video = backbone.patch_embed.projection.weight.ndim == 5
    modality = 'video' if is_video else 'image'
    return next(layout for layout in LAYOUTS if (layout.name, layout.modality) ==
                ('amd_mm', modality))


def _require_fit(weights: Mapping[str, Tensor], backbone: nn.Module, file: Architecture,
                 path: Path) -> None:
    own = _architecture_of_model(backbone)
    if file.modality != own.modality:
        raise ValueError(f'Checkpoint {path}: must be an encoder of {own.modality}s as '
                         f'the model is, but it is one of {file.modality}s. Take another file.')
    if differences := file.differences(own):
        shapes = (f'patch embedding {tuple(weights["encoder.patch.weight"].shape)} against '
                  f'{tuple(backbone.patch_embed.projection.weight.shape)}')
        table = weights.get('encoder.pos_embed')
        if table is not None and getattr(backbone, 'pos_embed', None) is not None:
            shapes += f', positions {tuple(table.shape)} against {tuple(backbone.pos_embed.shape)}'
        raise ValueError(
            f'Checkpoint {path}: must fit the config, but {"; ".join(differences)} '
            f'({shapes}). Change the config to the checkpoint\'s values'
            ' or take another file; positions of another size are interpolated by '
            '`python tools/convert_checkpoint.py SRC DST --img-size ... --num-frames ...`.')


def _architecture_of_model(backbone: nn.Module) -> Architecture:
    state = backbone.state_dict()
    net = architecture_of(assemble(state, detect(state, layouts=[_our_layout(backbone)])))
    if net.modality == 'image':
        return replace(net, num_heads=backbone.layers[0].attn.num_heads)
    rows, columns = backbone.grid_size
    frames = net.num_positions // (rows * columns) * net.tubelet
    return replace(net, num_heads=backbone.blocks[0].attn.num_heads, num_frames=frames,
                   image_size=rows * net.patch)


def _own_norms(backbone: nn.Module) -> set[str]:
    """Norms that start anew in fine-tuning: after pooling and, for detection, the last one."""
    modality = _our_layout(backbone).modality
    norms = {_POOLING_NORMS[modality]}
    if getattr(backbone, 'return_feat_map', False):
        norms.update(_FINAL_NORMS[modality])
    return {name for name in backbone.state_dict() if name.split('.')[0] in norms}


def _fixed_positions(backbone: nn.Module) -> set[str]:
    """The position table is computed, and may be missing, where it is no parameter."""
    return {'pos_embed'} & dict(backbone.named_buffers()).keys()


def _load(backbone: nn.Module, state: Mapping[str, Tensor], path: str | Path,
          leftover: Iterable[str], missing_fine: Iterable[str]) -> None:
    """Loads with exactly the expected keys left over and missing."""
    own = backbone.state_dict()
    missing = sorted(own.keys() - state.keys() - set(missing_fine))
    unexpected = sorted(state.keys() - own.keys() - set(leftover))
    wrong = [f'{name}: checkpoint {tuple(state[name].shape)}, model {tuple(own[name].shape)}'
             for name in sorted(own.keys() & state.keys()) if state[name].shape != own[name].shape]
    if missing or unexpected or wrong:
        problems = [f'{what}: {show(names)}' for what, names in (
            ('not in the checkpoint', missing), ('not in the model', unexpected),
            ('of another shape', wrong)) if names]
        raise ValueError(f'Checkpoint {path}: must fit the model exactly, but '
                         f'{"; ".join(problems)}. Make the config agree with the checkpoint.')
    check_values(state, str(path))
    kept = {name: value for name, value in state.items() if name in own}
    backbone.load_state_dict(kept, strict=False)
