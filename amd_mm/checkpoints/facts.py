"""What no tensor of a network holds: read off its file, compared, and warned of where unsaid."""
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeGuard

import torch
from mmengine.utils import to_2tuple
from mmpretrain.models.backbones import VisionTransformer
from torch import nn

from amd_mm.checkpoints.reading import Checkpoint
from amd_mm.checkpoints.saved_config import saved_config

# Heads of the encoders in use (ViT-T, S, B, L, SO400M, H, g and G); no shape tells them.
HEADS_OF_WIDTH = {192: 3, 384: 6, 768: 12, 1024: 16, 1152: 16, 1280: 16, 1408: 16, 1664: 16}
# By the width of MoCo v3's networks, whose ViT-S is another than everyone's.
_HEADS_OF_MOCO = {384: 12, 768: 12, 1024: 16, 1280: 16}
# By the size in names of networks in MAE's and VideoMAE's code, as vit_small_patch16_224.
_HEADS_OF_NAME = {'tiny': 3, 'small': 6, 'base': 12, 'large': 16, 'huge': 16, 'giant': 16}
# Epsilons up to this one are alike: what differs is within the rounding of float32, unless a
# token's variance is below 1e-2. Transformers writes 1e-12 for networks trained with 1e-6.
SMALL_EPS = 1e-6
# Kinds of fixed positions: VideoMAE's over all tokens in one row, MVD's over time and space.
SEQUENCE, SPACE_TIME = 'sequence', 'space-time'
# Mean and deviation of ImageNet's pixels, 0-255, red first: what nearly every encoder was
# trained with; BEiT's code calls the other pair the inception statistics.
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
INCEPTION = ((127.5, ) * 3, (127.5, ) * 3)

_LABELS = {
    'num_heads': 'attention heads', 'activation': 'activation', 'norm_eps': 'norm epsilon',
    'qk_scale': 'scale of attention logits', 'image_size': 'image size',
    'num_frames': 'frame count', 'positions': 'fixed positions', 'mean': 'pixel mean',
    'std': 'pixel deviation', 'decoder_heads': 'decoder heads'}
_ACTIVATIONS = ('gelu', 'quickgelu', 'gelutanh', 'relu', 'silu', 'hardswish', 'mish', 'elu', 'tanh')
_SAME_ACTIVATION = {'gelu_python': 'gelu', 'gelu_pytorch_tanh': 'gelu_tanh',
                    'gelu_new': 'gelu_tanh', 'gelu_fast': 'gelu_tanh', 'quickgelu': 'quick_gelu',
                    'gelutanh': 'gelu_tanh', 'swish': 'silu'}
# No network is deeper; to make one that a file says has a billion blocks would never end.
_MAX_BLOCKS = 1000
# What the classes of Transformers take for a key that config.json leaves out.
_TRANSFORMERS = dict(hidden_size=768, num_attention_heads=12, hidden_act='gelu',
                     layer_norm_eps=1e-12, image_size=224)
_TRANSFORMERS_DEFAULTS: dict[str, dict[str, Any]] = {
    'vit': _TRANSFORMERS, 'vit_mae': _TRANSFORMERS,
    'videomae': {**_TRANSFORMERS, 'num_frames': 16}}


@dataclass(frozen=True, kw_only=True)
class NetworkFacts:
    """What a file says, or a network does, that no shape tells. None: not said.

    Attributes:
        num_heads: Attention heads.
        activation: Of the MLPs: ``'gelu'`` (exact), ``'gelu_tanh'``, ``'quick_gelu'``, ``'relu'``.
        norm_eps: Epsilon of the layer norms.
        qk_scale: Factor on the attention logits.
        image_size: (rows, columns) of the input in pixels.
        num_frames: Frames of a clip, 1 for images.
        positions: ``'sequence'`` or ``'space-time'`` where a fixed table is computed for clips.
        mean, std: Of the pixels, one a channel, 0-255.
        decoder_heads: Attention heads of the pixel decoder.
    """

    num_heads: int | None = None
    activation: str | None = None
    norm_eps: float | None = None
    qk_scale: float | None = None
    image_size: tuple[int, int] | None = None
    num_frames: int | None = None
    positions: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    decoder_heads: int | None = None


FACTS = tuple(field.name for field in fields(NetworkFacts))


def facts_of(checkpoint: Checkpoint) -> NetworkFacts:
    """What a file or folder says besides its weights; what stands first below wins.

    Looked at are the facts that our converter writes, ``config.json`` (Transformers', timm's and
    ``model_config`` of folders with code of their own), ``preprocessor_config.json``, the ``args``
    of released training code, the config inside MMEngine checkpoints and what is known of MoCo v3.
    """
    meta, args = checkpoint.mmengine, checkpoint.meta.get('args')
    sources: list[Mapping[str, Any]] = []
    if isinstance(meta.get('facts'), Mapping):
        sources.append(meta['facts'])
    if checkpoint.config:
        sources.append(_from_folder(checkpoint.config))
    sources.append(_from_preprocessor(checkpoint.preprocessor))
    if isinstance(args, Mapping):
        sources.append(_from_args(args))
    sources += [_from_mmengine(saved_config(meta)), _from_moco(checkpoint)]
    said: dict[str, Any] = {}
    for source in sources:
        for name, value in source.items():
            value = _READ[name](value) if name in _READ else None
            if value is not None:
                said.setdefault(name, value)
    return NetworkFacts(**said)


def compare_facts(file: NetworkFacts, network: NetworkFacts) -> list[str]:
    """What does not agree, both sides known, as ``'attention heads: checkpoint 6, model 12'``."""
    return [f'{_LABELS[name]}: checkpoint {show_fact(mine)}, model {show_fact(theirs)}'
            for name, mine, theirs in _pairs(file, network)
            if mine is not None and theirs is not None and not _alike(name, mine, theirs)]


def unsaid_facts(file: NetworkFacts, network: NetworkFacts, width: int) -> dict[str, str]:
    """What the file does not say and the network does unusually for the width.

    Returns:
        Names of facts to lines as ``'attention heads: model 12, usual 6'``.
    """
    usual = NetworkFacts(
        num_heads=usual_heads(width), activation='gelu', norm_eps=SMALL_EPS,
        qk_scale=_usual_scale(width, network.num_heads))
    return {name: f'{_LABELS[name]}: model {show_fact(theirs)}, usual {show_fact(expected)}'
            for name, expected, theirs in _pairs(usual, network)
            if getattr(file, name) is None and expected is not None and theirs is not None
            and not _alike(name, expected, theirs)}


def list_facts(facts: NetworkFacts) -> list[str]:
    """What is said, as ``['attention heads 6', 'activation gelu']``."""
    return [f'{_LABELS[name]} {show_fact(value)}' for name in FACTS
            if (value := getattr(facts, name)) is not None]


def usual_heads(width: int) -> int | None:
    """Heads that an encoder of this width has by custom; None: there is none."""
    return HEADS_OF_WIDTH.get(width, width // 64 if width % 64 == 0 else None)


def show_fact(value: object) -> str:
    """A fact for people: ``6``, ``128 x 224``, ``1e-12``, ``'gelu'``."""
    if isinstance(value, float):
        return f'{value:g}'
    if isinstance(value, tuple):
        return size_text(value) if len(value) == 2 else ', '.join(map(show_fact, value))
    return str(value)


def size_text(size: Sequence[int]) -> str:
    """(rows, columns) as ``'128 x 224'``, a square as ``'224'``."""
    rows, columns = size
    return f'{rows}' if rows == columns else f'{rows} x {columns}'


def _pairs(one: NetworkFacts, other: NetworkFacts) -> list[tuple[str, Any, Any]]:
    return [(name, getattr(one, name), getattr(other, name)) for name in FACTS]


def _alike(name: str, one: Any, other: Any) -> bool:
    if name == 'norm_eps' and max(one, other) <= SMALL_EPS:
        return True
    if name in ('norm_eps', 'qk_scale'):
        return math.isclose(one, other, rel_tol=1e-4)
    if name in ('mean', 'std'):
        return len(one) == len(other) and all(
            math.isclose(a, b, abs_tol=.01) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def _from_folder(config: Mapping[str, Any]) -> dict[str, Any]:
    own_code = config.get('model_config')
    if isinstance(own_code, Mapping):
        return _from_own_code(own_code)
    if 'architecture' in config or 'pretrained_cfg' in config:
        return _from_timm(config)
    config = _TRANSFORMERS_DEFAULTS.get(str(config.get('model_type')), {}) | dict(config)
    heads = config.get('num_attention_heads')
    return dict(
        num_heads=heads, activation=config.get('hidden_act'),
        norm_eps=config.get('layer_norm_eps'), image_size=config.get('image_size'),
        num_frames=config.get('num_frames'),
        decoder_heads=config.get('decoder_num_attention_heads'),
        positions=SEQUENCE if config.get('model_type') == 'videomae' else None,
        qk_scale=_usual_scale(config.get('hidden_size'), heads))


def _from_own_code(config: Mapping[str, Any]) -> dict[str, Any]:
    """``model_config`` of VideoMAE V2's folders: the arguments of its network."""
    heads = config.get('num_heads')
    activation = config.get('act_layer')
    return dict(
        num_heads=heads, norm_eps=config.get('layer_norm_eps'),
        activation=activation.split('.')[-1] if isinstance(activation, str) else None,
        qk_scale=config.get('qk_scale') or _usual_scale(config.get('embed_dim'), heads),
        positions=None if config.get('use_learnable_pos_emb') else SEQUENCE,
        image_size=config.get('img_size'), num_frames=config.get('num_frames'))


def _from_timm(config: Mapping[str, Any]) -> dict[str, Any]:
    pretrained = config.get('pretrained_cfg')
    pixels = pretrained if isinstance(pretrained, Mapping) else config
    said = dict(_stated_arguments(config), mean=_times_255(pixels.get('mean')),
                std=_times_255(pixels.get('std')))
    model = timm_model(config)
    if model is None:
        return said
    block = model.blocks[0]
    return said | dict(
        num_heads=block.attn.num_heads, qk_scale=block.attn.scale, norm_eps=block.norm1.eps,
        activation=activation_of(block.mlp), image_size=model.patch_embed.img_size)


def _numbers_in(value: object) -> list[float]:
    """A number, or those in lists of lists."""
    if isinstance(value, list):
        return [number for item in value for number in _numbers_in(item)]
    return [value] if _is_number(value) else []


def activation_of(mlp: nn.Module) -> str | None:
    """The activation in an MLP, as :attr:`NetworkFacts.activation`; None: it has no or several."""
    found = [module for module in mlp.modules() if type(module).__name__.lower() in _ACTIVATIONS]
    if len(found) != 1:
        return None
    tanh = '_tanh' if getattr(found[0], 'approximate', 'none') == 'tanh' else ''
    return _activation(type(found[0]).__name__ + tanh)


def _stated_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    arguments = config.get('model_args')
    if not isinstance(arguments, Mapping):
        return {}
    return dict(num_heads=arguments.get('num_heads'), image_size=arguments.get('img_size'),
                activation=arguments.get('act_layer'))


def timm_model(config: Mapping[str, Any]) -> Any:
    """The network of timm, without weights, for the ``config.json`` that timm writes.

    It is made by timm's own function of that name, which loads nothing; names of another kind
    (``hf-hub:...``) are not looked up.

    Returns:
        A ``timm.models.VisionTransformer`` on torch's ``meta`` device; None where timm is not
        installed, or does not know the name or the arguments, or means a network of another kind.
    """
    name, arguments = config.get('architecture'), config.get('model_args') or {}
    if not isinstance(name, str) or not isinstance(arguments, Mapping):
        return None
    counts = [arguments.get(key) for key in ('depth', 'depths', 'layers')]
    if any(number > _MAX_BLOCKS for number in _numbers_in(counts)):
        return None
    try:
        import timm
    except ImportError:
        return None
    if not timm.is_model(name):
        return None
    try:
        with torch.device('meta'):
            model = timm.model_entrypoint(name)(pretrained=False, **arguments)
    except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError):
        return None
    return model if isinstance(model, timm.models.VisionTransformer) else None


def _from_preprocessor(config: Mapping[str, Any]) -> dict[str, Any]:
    """``preprocessor_config.json``: pixels are multiplied by a factor, then normalised."""
    factor = config.get('rescale_factor', 1 / 255) if config.get('do_rescale', True) else 1
    mean, std = config.get('image_mean'), config.get('image_std')
    if not (_is_number(factor) and _numbers(mean) and _numbers(std)):
        return {}
    if not config.get('do_normalize', True):
        mean, std = [0.] * len(mean), [1.] * len(std)
    return dict(mean=[value / factor for value in mean], std=[value / factor for value in std])


def _from_args(args: Mapping[str, Any]) -> dict[str, Any]:
    """``args`` of the released code of MAE, VideoMAE, MVD and of what follows BEiT's."""
    said = {name: args.get(name) for name in ('num_frames', 'num_heads', 'qk_scale')}
    said['image_size'] = args.get('input_size')
    size = re.search(r'_([a-z]+)_patch', str(args.get('model')))
    if size is not None and said['num_heads'] is None:
        said['num_heads'] = _HEADS_OF_NAME.get(size[1])
    imagenet = args.get('imagenet_default_mean_and_std')
    if isinstance(imagenet, bool):
        said['mean'], said['std'] = IMAGENET if imagenet else INCEPTION
    elif args.get('mean') and args.get('std'):
        said['mean'], said['std'] = _times_255(args['mean']), _times_255(args['std'])
    if 'num_frames' in args:
        # The option that tells MVD's code from VideoMAE's, on which it is built.
        said['positions'] = SPACE_TIME if 'use_cls_token' in args else SEQUENCE
    return said


def _from_moco(checkpoint: Checkpoint) -> dict[str, Any]:
    embedding = next((value for name, value in checkpoint.state_dict.items()
                      if name.endswith('base_encoder.patch_embed.proj.weight')), None)
    return {} if embedding is None else dict(num_heads=_HEADS_OF_MOCO.get(len(embedding)))


def _from_mmengine(config: Mapping[str, Any]) -> dict[str, Any]:
    model = config.get('model')
    backbone = model.get('backbone') if isinstance(model, Mapping) else None
    if not isinstance(model, Mapping) or not isinstance(backbone, Mapping):
        return {}
    arch = backbone.get('arch')
    if isinstance(arch, str):
        arch = VisionTransformer.arch_zoo.get(arch.lower())
    arch = arch if isinstance(arch, Mapping) else {}
    is_vit = str(backbone.get('type')).endswith('VisionTransformer')
    # 12 is the default of the hosts' classes and of ours.
    heads = backbone.get('num_heads', arch.get('num_heads', 12 if is_vit else None))
    norm = backbone.get('norm_cfg')
    layers = backbone.get('layer_cfgs')
    act = layers.get('act_cfg') if isinstance(layers, Mapping) else None
    pixels = next((found for found in (model.get('data_preprocessor'),
                                       config.get('data_preprocessor'))
                   if isinstance(found, Mapping)), {})
    decoder = model.get('decoder')
    width = backbone.get('embed_dims', arch.get('embed_dims'))
    return dict(
        decoder_heads=decoder.get('num_heads') if isinstance(decoder, Mapping) else None,
        num_heads=heads, image_size=backbone.get('img_size'), num_frames=backbone.get('num_frames'),
        norm_eps=norm.get('eps') if isinstance(norm, Mapping) else None,
        activation=act.get('type') if isinstance(act, Mapping) else None,
        qk_scale=backbone.get('qk_scale') or _usual_scale(width, heads),
        mean=pixels.get('mean'), std=pixels.get('std'))


def _usual_scale(width: object, heads: object) -> float | None:
    if not (isinstance(width, int) and isinstance(heads, int) and width > 0 and heads > 0):
        return None
    return (width // heads)**-.5 if width >= heads else None


def _times_255(values: object) -> list[float] | None:
    return [255 * value for value in values] if _numbers(values) else None


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _numbers(values: object) -> TypeGuard[Sequence[float]]:
    return isinstance(values, Sequence) and not isinstance(values, str) and bool(values) and all(
        map(_is_number, values))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _real(value: object) -> float | None:
    return float(value) if _is_number(value) else None


def _activation(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return _SAME_ACTIVATION.get(value.lower(), value.lower())


def _pair(value: object) -> tuple[int, int] | None:
    if not _is_number(value) and not (_numbers(value) and len(value) == 2):
        return None
    rows, columns = map(_whole, to_2tuple(value))
    return None if rows is None or columns is None else (rows, columns)


def _tuple(values: object) -> tuple[float, ...] | None:
    return tuple(map(float, values)) if _numbers(values) else None


def _positions(value: object) -> str | None:
    return value if isinstance(value, str) and value in (SEQUENCE, SPACE_TIME) else None


# A file may hold anything under these names; what is of another type says nothing.
_READ = {'num_heads': _whole, 'activation': _activation, 'norm_eps': _real, 'qk_scale': _real,
         'image_size': _pair, 'num_frames': _whole, 'positions': _positions, 'mean': _tuple,
         'std': _tuple, 'decoder_heads': _whole}
