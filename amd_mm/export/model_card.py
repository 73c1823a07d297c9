"""The text that travels with an exported student."""
from amd_mm.checkpoints.architecture import config_text, config_value, heads_of
from amd_mm.export.convert import Conversion, describe, report
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
    text = config_text(checkpoint)
    lines += _training(text) if text else [
        'The checkpoint holds no training config, so what it was trained on is not known here.']
    lines += ['', '## Use', '', _usage(result, target), '', '## Weights', '']
    lines += [f'- {line}' for line in report(result)]
    if text:
        lines += ['', '## Config', '', '```python', text.strip(), '```']
    return '\n'.join(lines) + '\n'


def _training(text: str) -> list[str]:
    model = config_value(text, 'model')
    teacher = model.get('teacher') or {}
    facts = {
        'Algorithm or model': model.get('type'),
        'Backbone': (model.get('backbone') or {}).get('type'),
        'Teacher': (teacher.get('backbone') or {}).get('type'),
        'Teacher checkpoint': teacher.get('checkpoint'),
        'Training loop': config_value(text, 'train_cfg') or None,
        'Optimizer': config_value(text, 'optim_wrapper').get('optimizer'),
        'Seed': config_value(text, 'randomness').get('seed')}
    return [f'- {name}: `{value}`' for name, value in facts.items() if value is not None]


def _usage(result: Conversion, target: str) -> str:
    net = result.net
    if target == 'transformers':
        return ('`AutoModel.from_pretrained(FOLDER)` or the class in `config.json` under '
                '`architectures`. Transformers computes two norms (decoder, pooling) with an '
                'epsilon of 1e-5 that no configuration changes; here it is 1e-6.')
    if target == 'timm':
        pooled = 'encoder.fc_norm.weight' in result.canonical
        assert net.image_size is not None
        rows, columns = net.image_size
        size = rows if rows == columns else net.image_size
        classes = len(result.canonical.get('head.weight', ()))
        return (f"`timm.models.VisionTransformer(img_size={size}, "
                f"patch_size={net.patch}, in_chans={net.channels}, embed_dim={net.width}, "
                f"depth={net.depth}, num_heads={heads_of(net)}, "
                f"mlp_ratio={net.mlp_width / net.width:g}, "
                f"num_classes={classes}, global_pool={'avg' if pooled else 'token'!r})`"
                ', then `load_state_dict`.')
    if target == 'onnx':
        frames = 'frames, ' if net.modality == 'video' else ''
        shape = f'(batch, {net.channels}, {frames}height, width)'
        return (f'Input `pixels`: float32 {shape}, normalised as in training; output `output`: '
                'class scores where there is a classifier, pooled features where there is a '
                'pooling norm, else every token after the last norm. The batch is dynamic.')
    return f'Layout {target}.'
