"""The text that travels with an exported student."""
from collections.abc import Mapping
from typing import Any

from amd_mm.checkpoints.facts import IMAGENET, show_fact
from amd_mm.checkpoints.saved_config import config_text, saved_config
from amd_mm.export.convert import Conversion, class_names, describe, report
from amd_mm.version import __version__


def model_card(result: Conversion, target: str) -> str:
    """Markdown: what was trained, with which config, and how to open the export.

    Training facts come from the config inside the checkpoint; where there is none, the
    card says so.
    """
    checkpoint = result.checkpoint
    lines = [f'# {describe(result.net)[0].upper()}{describe(result.net)[1:]}', '',
             f'Exported by amd_mm {__version__} from `{checkpoint.path.name}` '
             f'({result.source.label}) to {target}.', '', '## Training', '']
    text = config_text(checkpoint.mmengine)
    lines += _training(saved_config(checkpoint.mmengine)) if text else [
        'The checkpoint holds no training config, so what it was trained on is not known here.']
    lines += ['', '## Use', '', _usage(result, target), '', _pixels(result), '', '## Weights', '']
    lines += [f'- {line}' for line in report(result)]
    if text:
        lines += ['', '## Config', '', '```python', text.strip(), '```']
    return '\n'.join(lines) + '\n'


def _training(config: Mapping[str, Any]) -> list[str]:
    model, wrapper, randomness = (_mapping(config.get(name)) for name in (
        'model', 'optim_wrapper', 'randomness'))
    facts = {
        'Algorithm or model': model.get('type'),
        'Backbone': _mapping(model.get('backbone')).get('type'),
        **_teachers(model.get('teacher')),
        'Training loop': config.get('train_cfg'),
        'Optimizer': wrapper.get('optimizer'),
        'Seed': randomness.get('seed')}
    return [f'- {name}: `{value}`' for name, value in facts.items() if value is not None]


def _teachers(teacher: object) -> dict[str, Any]:
    """Network and checkpoint of the only teacher, or of each of several."""
    if isinstance(teacher, (list, tuple)):
        return {fact.replace('Teacher', f'Teacher {one.get("name")}'): value
                for one in map(_mapping, teacher)
                for fact, value in _teachers(one.get('teacher')).items()}
    config = _mapping(teacher)
    return {'Teacher': config.get('architecture', _mapping(config.get('backbone')).get('type')),
            'Teacher checkpoint': config.get('checkpoint')}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _usage(result: Conversion, target: str) -> str:
    net = result.net
    if target == 'transformers':
        return ('`AutoModel.from_pretrained(FOLDER)` or the class in `config.json` under '
                '`architectures`. Transformers computes two norms (decoder, pooling) with an '
                'epsilon of 1e-5 that no configuration changes; here it is 1e-6.')
    if target == 'timm':
        return (f'`timm.models.VisionTransformer({_timm_arguments(result)})`'
                ', then `load_state_dict`.')
    if target == 'onnx':
        frames = 'frames, ' if net.modality == 'video' else ''
        shape = f'(batch, {net.channels}, {frames}height, width)'
        return (f'Input `pixels`: float32 {shape}, normalised as in training; output `output`: '
                'class scores where there is a classifier, pooled features where there is a '
                'pooling norm, else every token after the last norm. The batch is dynamic.')
    return f'Layout {target}.'


def _timm_arguments(result: Conversion) -> str:
    net, weights = result.net, result.canonical
    pooled = 'encoder.fc_norm.weight' in weights
    assert net.image_size is not None
    rows, columns = net.image_size
    arguments = dict(
        img_size=rows if rows == columns else net.image_size, patch_size=net.patch,
        in_chans=net.channels, embed_dim=net.width, depth=net.depth, num_heads=net.num_heads,
        mlp_ratio=f'{net.mlp_width / net.width:g}', num_classes=len(weights.get('head.weight', ())),
        global_pool=repr('avg' if pooled else 'token' if net.class_token else ''))
    if not net.class_token:
        arguments['class_token'] = False
    if 'encoder.blocks.0.qkv.bias' not in weights:
        arguments['qkv_bias'] = False
    if not pooled and 'encoder.norm.weight' not in weights:
        arguments['final_norm'] = False
    return ', '.join(f'{name}={value}' for name, value in arguments.items())


def _pixels(result: Conversion) -> str:
    """Which statistics the pixels are normalised with, and the classes where they have names."""
    net = result.net
    said = 'as the source says' if net.mean and net.std else (
        "ImageNet's, because the source says nothing")
    mean, std = (net.mean, net.std) if net.mean and net.std else IMAGENET
    text = f'Pixels (0-255): mean {show_fact(mean)}, deviation {show_fact(std)}, {said}.'
    names = class_names(result.checkpoint) if 'head.weight' in result.canonical else []
    if names:
        text += ' Classes: ' + ', '.join(f'{i} {name}' for i, name in enumerate(names)) + '.'
    return text
