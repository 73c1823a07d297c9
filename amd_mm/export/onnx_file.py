"""ONNX files of encoders, checked against torch before they count as written."""
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from amd_mm.checkpoints import compare_weights
from amd_mm.checkpoints.architecture import with_usual_size
from amd_mm.export.convert import Conversion, settle_facts
from amd_mm.models.backbones import ImageVisionTransformer, VideoVisionTransformer

TOLERANCE = 1e-4
_OPSET = 17


class _Exported(nn.Module):
    """Pixels to class scores, pooled features or tokens, whichever the weights allow."""

    def __init__(self, backbone: nn.Module, head: nn.Linear | None, is_map: bool) -> None:
        super().__init__()
        self.backbone, self.is_map = backbone, is_map
        self.head = nn.Identity() if head is None else head

    def forward(self, pixels: Tensor) -> Tensor:
        features = self.backbone(pixels)
        if isinstance(features, tuple):
            features = features[-1]
        if self.is_map:
            features = features.flatten(2).transpose(1, 2)
        return self.head(features)


def export_onnx(result: Conversion, path: Path) -> float:
    """Write the encoder (and classifier) as ONNX with a dynamic batch, and check it.

    Args:
        result: A conversion to the layout ``amd_mm``.
        path: File to write.

    Returns:
        Largest difference between onnxruntime and torch, as a fraction of the largest
        output, over batches of 1 and 3.

    Raises:
        ValueError: If the extra ``export`` is not installed, a decoder is in the
            weights, or the outputs differ by more than 1e-4.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime
    except ImportError as error:
        raise ValueError(
            'ONNX export: needs onnx and onnxruntime, which are not installed. Install them with '
            '`pip install amd-mm[export]`.') from error
    if any(name.startswith(('decoder.', 'neck.')) for name in result.canonical):
        raise ValueError('ONNX export: takes an encoder, with or without classifier, but the file '
                         'holds a decoder or neck. Add --part encoder.')
    model = build_model(result).eval()
    net = with_usual_size(result.net)
    assert net.image_size is not None
    frames = (net.num_frames, ) if net.modality == 'video' else ()
    shape = (net.channels, *frames, *net.image_size)
    generator = torch.Generator().manual_seed(0)
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter that needs no further package says that it is the older one.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            model, (torch.randn(2, *shape, generator=generator),), str(path), dynamo=False,
            opset_version=_OPSET, input_names=['pixels'], output_names=['output'],
            dynamic_axes={'pixels': {0: 'batch'}, 'output': {0: 'batch'}})
        session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
        differences = []
        for batch in (1, 3):
            pixels = torch.randn(batch, *shape, generator=generator)
            want = model(pixels).numpy()
            have, = session.run(None, {'pixels': pixels.numpy()})
            differences.append(float(np.abs(have - want).max() / np.abs(want).max()))
    difference = max(differences)
    if not difference <= TOLERANCE:
        raise ValueError(
            f'ONNX export: onnxruntime must give torch\'s outputs within {TOLERANCE}, but they '
            f'differ by {difference:.1e}. Nothing was written; try another version of '
            'onnxruntime.')
    return difference


def build_model(result: Conversion) -> nn.Module:
    """Our network in float32 with the weights of a conversion to ``amd_mm`` in it.

    Raises:
        ValueError: If our network cannot hold them.
    """
    net, weights = settle_facts(result), result.canonical
    if net.modality == 'image' and not net.class_token:
        raise ValueError('ONNX export: our image encoder has a class token, but the source has '
                         'none. Choose --to timm, and export from there.')
    assert net.image_size and net.num_frames and net.num_heads
    has_norm = 'encoder.norm.weight' in weights
    pooled = 'encoder.fc_norm.weight' in weights
    head = _head(weights)
    is_map = False
    norm = dict(type='LN', eps=net.norm_eps)
    if net.modality == 'video':
        is_map = not pooled
        backbone = VideoVisionTransformer(
            img_size=net.image_size, patch_size=net.patch, in_channels=net.channels,
            embed_dims=net.width, depth=net.depth, num_heads=net.num_heads,
            mlp_ratio=net.mlp_width / net.width, num_frames=net.num_frames,
            qkv_bias='encoder.blocks.0.q_bias' in weights, tubelet_size=net.tubelet,
            use_mean_pooling=pooled, return_feat_map=is_map, qk_scale=net.qk_scale, norm_cfg=norm,
            init_values=float('encoder.blocks.0.gamma1' in weights))
        if is_map and not has_norm:
            backbone.drop_final_norm()
    else:
        tokens = 'avg_featmap' if pooled else 'cls_token' if head is not None else 'raw'
        backbone = ImageVisionTransformer(
            arch=dict(embed_dims=net.width, num_layers=net.depth, num_heads=net.num_heads,
                      feedforward_channels=net.mlp_width),
            img_size=net.image_size, patch_size=net.patch, in_channels=net.channels,
            final_norm=has_norm, out_type=tokens, norm_cfg=norm,
            qkv_bias='encoder.blocks.0.qkv.bias' in weights)
    state = {name.removeprefix('backbone.'): value.float()
             for name, value in result.weights.items() if name.startswith('backbone.')}
    if problems := str(compare_weights(state, backbone.state_dict(), may_miss=('pos_embed', ))):
        raise ValueError(f'ONNX export: our encoder must hold the weights exactly, but {problems}. '
                         'Choose another target, and export from its library.')
    backbone.load_state_dict(backbone.state_dict() | state)
    return _Exported(backbone, head, is_map)


def _head(weights: dict[str, Tensor]) -> nn.Linear | None:
    if 'head.weight' not in weights:
        return None
    classes, width = weights['head.weight'].shape
    head = nn.Linear(width, classes, bias='head.bias' in weights)
    head.load_state_dict({name: weights[f'head.{name}'].float() for name in head.state_dict()})
    return head
