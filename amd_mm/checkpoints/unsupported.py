"""What our networks do not compute, in words, told from the names of weights and from configs."""
import re
from collections.abc import Iterable, Mapping
from typing import Any

from amd_mm.checkpoints.facts import timm_model
from amd_mm.checkpoints.reading import Checkpoint
from amd_mm.checkpoints.saved_config import saved_config

# Names that tell a part, and the part. Parts that some layouts have are named only where a
# name has no place in the layout.
_TELLTALES = tuple((re.compile(pattern), words) for pattern, words in (
    (r'reg(ister)?_tokens?\b|storage_tokens', 'register tokens'),
    (r'\bls\d?\b|layer_?scale|\bgamma_?[12]\b|lambda_[12]', 'layer scale'),
    (r'rope|rotary|freqs_cis', 'rotary positions'),
    (r'rel(ative)?_pos', 'relative positions'),
    (r'\b[qk]_?(layer)?norm\b', 'norms of queries and keys'),
    (r'mlp\.(w\d+|fc1_[gx]|gate_proj|weights_(in|out))\b', 'a gated MLP'),
    (r'dist(illation)?_token|head_dist', 'a distillation token'),
    (r'norm_pre|pre_?(layr)?norm\b|\bln_pre\b', 'a norm before the first block'),
    (r'patch_embed\.(norm|backbone|proj\.\d+)|patch_embed\.conv', 'a convolutional or normed stem'),
    (r'attn_?pool|attention_pool', 'attention pooling'),
    (r'\bexperts?\b|\bmoe\b', 'a mixture of experts'),
    (r'logit_scale|\battn\.scale$', 'scaled cosine attention'),
    (r'temporal_|time_embed', 'attention that is divided in time and space'),
    (r'\blora_', 'LoRA adapters, which have to be merged first'),
    (r'_?flat_param', "FSDP's flattened shards, to be saved as a full state dict first"),
    (r'absmax|qweight|zero_point|quant_(state|map)', 'quantised weights')))


# By ``model_type`` of Transformers, where no name of a weight tells it.
_OF_TYPE = {'dinov3_vit': 'rotary positions, register tokens and layer scale',
            'vjepa2': 'rotary positions', 'clip_vision_model': 'a norm before the first block'}


# Only encoders of clips lack them.
_KEY_BIASES = (re.compile(r'\battn\.qkv\.bias$'),
               'biases of keys (V-JEPA has them, with rotary positions)')


def name_parts(names: Iterable[str], modality: str | None = None) -> str:
    """The parts that names of weights tell, as ``'layer scale, rotary positions'``; or empty.

    Args:
        names: Of weights.
        modality: Of the layout that has no place for them, where there is one.
    """
    names = list(names)
    telltales = (*_TELLTALES, _KEY_BIASES) if modality == 'video' else _TELLTALES
    return ', '.join(words for pattern, words in telltales
                     if any(pattern.search(name) for name in names))


def require_supported(checkpoint: Checkpoint) -> None:
    """Refuse a network that has the weights of one of ours and computes something else.

    Raises:
        ValueError: If the file's config says so, with what it is in words.
    """
    if words := [*_of_folder(checkpoint.config), *_of_mmengine(checkpoint)]:
        raise ValueError(
            f'Checkpoint {checkpoint.path}: must be a plain pre-norm ViT, but its config says that '
            f'it has {", ".join(words)}, which is not supported. Take another file.')


def require_unambiguous(checkpoint: Checkpoint, names: Iterable[str]) -> None:
    """Refuse a bare image encoder whose blocks may have their norms behind or before them.

    timm's res-post-norm networks (``vit_*_rpn_*``) name their weights as its others do; they
    are the ones without class token and without biases of queries, keys and values.

    Args:
        checkpoint: What was read.
        names: Canonical names of its weights.

    Raises:
        ValueError: If neither is there, and no config says what the network is.
    """
    names = set(names)
    known = (checkpoint.config or checkpoint.mmengine or 'encoder.cls_token' in names
             or 'encoder.blocks.0.qkv.bias' in names or 'encoder.blocks.0.qkv.weight' not in names)
    if not known:
        raise ValueError(
            f'Checkpoint {checkpoint.path}: must say whether the norms stand before or behind the '
            'attention, but it is an encoder without class token and without biases of queries, '
            'keys and values, as timm\'s res-post-norm networks (vit_*_rpn_*) are, and has no '
            "config. Take the folder with config.json that timm's save_for_hf writes.")


def _of_folder(config: Mapping[str, Any]) -> list[str]:
    own_code = config.get('model_config')
    if isinstance(own_code, Mapping):
        return ['cosine attention'] if own_code.get('cos_attn') else []
    if words := _OF_TYPE.get(str(config.get('model_type'))):
        return [words]
    if 'architecture' not in config:
        return []
    model = timm_model(config)
    kind = 'Block' if model is None else type(model.blocks[0]).__name__
    if kind == 'ResPostBlock' or '_rpn_' in str(config['architecture']):
        return ['norms behind the attention and the MLP (res-post-norm)']
    return [] if kind == 'Block' else [f'blocks of the kind {kind}']


def _of_mmengine(checkpoint: Checkpoint) -> list[str]:
    model = saved_config(checkpoint.mmengine).get('model')
    backbone = model.get('backbone') if isinstance(model, Mapping) else None
    if not isinstance(backbone, Mapping):
        return []
    layers = backbone.get('layer_cfgs')
    gated = isinstance(layers, Mapping) and layers.get('ffn_type', 'origin') != 'origin'
    return [words for words, is_there in (
        ('a norm before the first block', backbone.get('pre_norm')), ('a gated MLP', gated))
        if is_there]
