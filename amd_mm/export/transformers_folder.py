"""What stands beside the weights of the Transformers classes that our layouts map to."""
from typing import Any

from amd_mm.checkpoints.architecture import Architecture, with_usual_size
from amd_mm.checkpoints.facts import IMAGENET
from amd_mm.checkpoints.matching import show
from amd_mm.export.convert import Conversion, class_names, settle_facts

# Decoder widths of the released models; no shape tells the heads.
_DECODER_HEADS = {'video': {192: 3, 384: 6, 512: 8}, 'image': {512: 16}}


def transformers_config(result: Conversion) -> dict[str, Any]:
    """The ``config.json`` with which ``from_pretrained`` finds every weight and misses none.

    Raises:
        ValueError: If no class holds these weights, or heads or sizes are unknown.
    """
    net = settle_facts(result)
    weights = result.canonical
    name = _class_of(result)
    _require_filled(result, name)
    has_bias = any(f'encoder.blocks.0.{bias}' in weights for bias in ('q_bias', 'qkv.bias'))
    config: dict[str, Any] = {
        'architectures': [name], 'hidden_size': net.width, 'num_hidden_layers': net.depth,
        'num_attention_heads': net.num_heads, 'intermediate_size': net.mlp_width,
        'hidden_act': 'gelu_pytorch_tanh' if net.activation == 'gelu_tanh' else net.activation,
        'hidden_dropout_prob': 0., 'attention_probs_dropout_prob': 0.,
        'layer_norm_eps': net.norm_eps, 'image_size': _side(net, name), 'patch_size': net.patch,
        'num_channels': net.channels,
        'dtype': str(weights['encoder.patch.weight'].dtype).removeprefix('torch.')}
    if net.modality == 'video':
        config.update(model_type='videomae', num_frames=net.num_frames, tubelet_size=net.tubelet,
                      qv_bias=has_bias, use_mean_pooling='encoder.norm.weight' not in weights)
    elif name == 'ViTForImageClassification':
        config.update(model_type='vit', qkv_bias=has_bias, encoder_stride=net.patch)
    else:
        config.update(model_type='vit_mae', qkv_bias=has_bias)
        if 'decoder.mask_token' not in weights:
            # An encoder alone is for features of the whole image.
            config['mask_ratio'] = 0.
    if 'decoder.mask_token' in weights:
        config.update(_decoder_config(result, net))
    if 'head.weight' in weights:
        count, names = len(weights['head.weight']), class_names(result.checkpoint)
        if len(names) != count:
            names = [f'LABEL_{index}' for index in range(count)]
        labels = dict(enumerate(names))
        config.update(id2label=labels,
                      label2id={label: index for index, label in labels.items()})
    return config


def preprocessor_config(result: Conversion) -> dict[str, Any]:
    """The ``preprocessor_config.json`` that makes the pixels that the network was trained on.

    A classifier cannot be used without: where the source does not say its statistics they are
    ImageNet's, and a note says so.

    Returns:
        The config; empty where the source says nothing and there is no classifier, or its
        pixels have other than three channels.
    """
    net = with_usual_size(result.net)
    assert net.image_size is not None
    rows, columns = net.image_size
    mean, std = (net.mean, net.std) if net.mean and net.std else IMAGENET
    if (mean, std) == IMAGENET and net.mean is None:
        if net.channels != 3 or 'head.weight' not in result.canonical:
            return {}
        result.notes.append("preprocessor_config.json has ImageNet's pixel statistics: the source "
                            'does not say with which it was trained')
    config: dict[str, Any] = {
        'do_rescale': True, 'rescale_factor': 1 / 255, 'do_normalize': True, 'do_resize': True,
        'image_mean': [value / 255 for value in mean], 'image_std': [value / 255 for value in std]}
    if net.modality == 'image':
        # MAE's evaluation interpolates bicubically, VideoMAE's bilinearly.
        return config | {'image_processor_type': 'ViTImageProcessor', 'resample': 3,
                         'size': {'height': rows, 'width': columns}}
    return config | {'image_processor_type': 'VideoMAEImageProcessor', 'resample': 2,
                     'size': {'shortest_edge': min(rows, columns)}, 'do_center_crop': True,
                     'crop_size': {'height': rows, 'width': columns}}


def _side(net: Architecture, class_name: str) -> int | list[int]:
    assert net.image_size is not None
    rows, columns = net.image_size
    if rows == columns:
        return rows
    if class_name.startswith('ViTMAE'):
        raise ValueError(
            f'Transformers folder: {class_name} takes square pictures alone, but the source is '
            f'for {rows} x {columns} pixels. Choose --to timm.')
    return [rows, columns]


def _class_of(result: Conversion) -> str:
    weights, is_video = result.canonical, result.net.modality == 'video'
    has_decoder, has_head = 'decoder.mask_token' in weights, 'head.weight' in weights
    pooled = 'encoder.fc_norm.weight' in weights
    if not is_video and 'encoder.cls_token' not in weights:
        raise ValueError(
            'Transformers folder: its image classes have a class token, but the source has none. '
            'Choose --to timm.')
    if not is_video and 'encoder.norm.weight' not in weights:
        raise ValueError(
            'Transformers folder: its image classes need the norm after the last block, but the '
            'source has none. Choose --to timm.')
    if has_decoder and has_head:
        raise ValueError(
            'Transformers folder: one class must hold every weight, but the source has a decoder '
            'and a head. Take --part encoder.')
    if has_decoder:
        return 'VideoMAEForPreTraining' if is_video else 'ViTMAEForPreTraining'
    if has_head:
        return 'VideoMAEForVideoClassification' if is_video else 'ViTForImageClassification'
    if pooled:
        raise ValueError(
            'Transformers folder: the norm after pooling needs a classifier beside it, but the '
            'source has none. Add --part encoder, which leaves the norm out.')
    return 'VideoMAEModel' if is_video else 'ViTMAEModel'


def _require_filled(result: Conversion, class_name: str) -> None:
    """Refuse weights that leave some of the class unfilled, which the library makes up anew."""
    weights, is_video = result.canonical, result.net.modality == 'video'
    parts = ['encoder.patch.*']
    if not is_video:
        parts += ['encoder.cls_token', 'encoder.pos_embed']
    if 'encoder.norm.weight' in weights:
        parts.append('encoder.norm.*')
    elif class_name == 'VideoMAEForVideoClassification':
        parts.append('encoder.fc_norm.*')
    if class_name.endswith('Classification'):
        parts.append('head.*')
    if class_name.endswith('ForPreTraining'):
        parts += ['decoder.mask_token', 'decoder.norm.*', 'decoder.head.*']
        parts += ['decoder.embed.weight'] if is_video else ['decoder.embed.*', 'decoder.pos_embed']
    wanted = {part.replace('*', ending) for part in parts for ending in ('weight', 'bias')}
    # Blocks are known to be complete, but for the biases that clips have in pairs.
    outside = {name for name in weights if '.blocks.' not in name}
    halves = {'encoder.blocks.0.q_bias', 'encoder.blocks.0.v_bias'}
    missing = sorted(wanted - outside) + (
        sorted(halves - weights.keys()) if halves & weights.keys() else [])
    if missing or outside - wanted:
        raise ValueError(
            f'Transformers folder: {class_name} must be filled exactly, but the source lacks '
            f'{show(missing) or "nothing"} and has {show(sorted(outside - wanted)) or "nothing"} '
            'besides (canonical names). Add --part encoder, or choose another target.')


def _decoder_config(result: Conversion, net: Architecture) -> dict[str, Any]:
    weights = result.canonical
    width = weights['decoder.mask_token'].shape[2]
    depth = 1 + max(int(name.split('.')[2]) for name in weights
                    if name.startswith('decoder.blocks.'))
    heads = net.decoder_heads or _DECODER_HEADS[net.modality].get(width)
    if heads is None:
        raise ValueError(
            'Decoder heads: must be known for config.json, but neither the file says them nor is '
            f'width {width} one of the released decoders. Give --decoder-heads.')
    return {'decoder_hidden_size': width, 'decoder_num_hidden_layers': depth,
            'decoder_num_attention_heads': heads,
            'decoder_intermediate_size': weights['decoder.blocks.0.fc1.weight'].shape[0]}
