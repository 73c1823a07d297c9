"""What network canonical weights belong to, read off their shapes and what the file says."""
import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from mmengine.utils import to_2tuple
from torch import Tensor

from amd_mm.checkpoints.reading import Checkpoint

# What every published VideoMAE, VideoMAE V2 and AMD file was trained with.
USUAL_FRAMES, USUAL_SIZE = 16, (224, 224)
# Heads of the encoders in use (ViT-S, B, L, H, and ViT-g of VideoMAE V2); no shape tells them.
HEADS_OF_WIDTH = {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 16, 1408: 16}


@dataclass(frozen=True)
class Architecture:
    """The encoder that weights belong to. None: the weights do not tell, nor does the file.

    Attributes:
        modality: ``'image'`` or ``'video'``.
        width, depth, mlp_width, patch, channels: As usual; ``patch`` in pixels.
        tubelet: Frames a token, 1 for images.
        class_token: Whether there is one.
        num_positions: Length of the position table with the class token's.
        image_size: (rows, columns) of the input in pixels.
        num_frames: Frames of a clip, 1 for images.
        num_heads: Attention heads.
        norm_eps: Epsilon of the layer norms, where the file says it.
    """

    modality: str
    width: int
    depth: int
    mlp_width: int
    patch: int
    channels: int
    tubelet: int
    class_token: bool
    num_positions: int | None = None
    image_size: tuple[int, int] | None = None
    num_frames: int | None = None
    num_heads: int | None = None
    norm_eps: float | None = None

    @property
    def grid(self) -> tuple[int, int, int] | None:
        """(frames / tubelet, rows, columns) of the tokens, where known."""
        if self.image_size is None or self.num_frames is None:
            return None
        rows, columns = (side // self.patch for side in self.image_size)
        return self.num_frames // self.tubelet, rows, columns

    @property
    def known_grid(self) -> tuple[int, int, int]:
        """:attr:`grid` where it has to be known, as after :func:`with_usual_size`."""
        assert self.grid is not None
        return self.grid

    def differences(self, other: 'Architecture') -> list[str]:
        """What does not fit, both values known, as ``'width: checkpoint 768, model 1024'``."""
        names = {'width': 'width', 'depth': 'depth', 'mlp_width': 'MLP width',
                 'patch': 'patch size', 'channels': 'input channels', 'tubelet': 'tubelet size',
                 'class_token': 'class token', 'image_size': 'image size',
                 'num_frames': 'frame count', 'num_heads': 'attention heads',
                 'num_positions': 'positions'}
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in names}
        pairs['image_size'] = (self.image_size and size_text(self.image_size),
                               other.image_size and size_text(other.image_size))
        return [f'{names[name]}: checkpoint {mine}, model {theirs}'
                for name, (mine, theirs) in pairs.items()
                if mine is not None and theirs is not None and mine != theirs]


def architecture_of(weights: Mapping[str, Tensor],
                    checkpoint: Checkpoint | None = None) -> Architecture:
    """Read the architecture off canonical weights and what their file says.

    Args:
        weights: Canonical names to tensors; needs the patch embedding and blocks.
        checkpoint: Where they come from; ``config.json``, the ``args`` of released
            training code and the config inside MMEngine checkpoints are looked at.

    Raises:
        ValueError: If what the file says contradicts the shapes.
    """
    patch = weights['encoder.patch.weight']
    is_video = patch.ndim == 5
    depth = 1 + max(int(name.split('.')[2]) for name in weights
                    if name.startswith('encoder.blocks.'))
    table = weights.get('encoder.pos_embed')
    shapes = Architecture(
        modality='video' if is_video else 'image',
        width=patch.shape[0],
        depth=depth,
        mlp_width=weights['encoder.blocks.0.fc1.weight'].shape[0],
        patch=patch.shape[-1],
        channels=patch.shape[1],
        tubelet=patch.shape[2] if is_video else 1,
        class_token='encoder.cls_token' in weights,
        num_positions=None if table is None else table.shape[1],
        num_frames=None if is_video else 1)
    said = {} if checkpoint is None else _said_by(checkpoint)
    return _with_sizes(_merge(shapes, said))


def _merge(shapes: Architecture, said: Mapping[str, Any]) -> Architecture:
    """The shapes win; what only the file says (heads, frames, size) is added."""
    known = {field.name for field in fields(Architecture) if getattr(shapes, field.name) is None}
    return replace(shapes, **{name: value for name, value in said.items() if name in known})


def _with_sizes(net: Architecture) -> Architecture:
    """Image size and frame count from the number of positions where they follow from it."""
    if net.num_positions is None:
        return net
    tokens = net.num_positions - net.class_token
    if net.grid is not None and math.prod(net.grid) == tokens:
        return net
    if net.modality == 'image':
        side = math.isqrt(tokens)
        square = (side * net.patch, ) * 2
        return replace(net, image_size=square if side**2 == tokens else None)
    return net if net.grid is None else replace(net, image_size=None, num_frames=None)


def with_usual_size(net: Architecture) -> Architecture:
    """The architecture with image size and frames, which are the usual ones if unknown.

    Raises:
        ValueError: If the number of positions contradicts that.
    """
    size = net.image_size or USUAL_SIZE
    usual = replace(net, image_size=size, num_frames=net.num_frames or USUAL_FRAMES)
    positions = math.prod(usual.known_grid) + net.class_token
    if net.num_positions not in (None, positions):
        raise ValueError(
            f'Source: what it was trained with must be known, but its {net.num_positions} '
            f'positions are not the {positions} of {usual.num_frames} frames at '
            f'{size_text(size)} pixels. Give --source-size and --source-frames.')
    return usual


def _said_by(checkpoint: Checkpoint) -> dict[str, Any]:
    """Architecture fields that the file mentions besides its weights."""
    said: dict[str, Any] = {}
    if config := checkpoint.config:
        said = {'num_heads': config.get('num_attention_heads'),
                'image_size': config.get('image_size'), 'num_frames': config.get('num_frames'),
                'norm_eps': config.get('layer_norm_eps')}
    elif isinstance(args := checkpoint.meta.get('args'), Mapping):
        said = {'image_size': args.get('input_size'), 'num_frames': args.get('num_frames')}
    elif text := config_text(checkpoint):
        backbone = config_value(text, 'model').get('backbone', {})
        arch = backbone.get('arch', {})
        heads = arch.get('num_heads') if isinstance(arch, dict) else None
        said = {'num_heads': backbone.get('num_heads', heads),
                'image_size': backbone.get('img_size'), 'num_frames': backbone.get('num_frames')}
    envelope = checkpoint.meta.get('meta')
    if isinstance(envelope, Mapping) and isinstance(written := envelope.get('input'), Mapping):
        said |= written
    said = {name: value for name, value in said.items() if _is_number(value)
            or name == 'image_size' and _is_pair(value)}
    if 'image_size' in said:
        said['image_size'] = tuple(to_2tuple(said['image_size']))
    return said


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_pair(value: object) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_number, value))


def size_text(size: Sequence[int]) -> str:
    """(rows, columns) as ``'128 x 224'``, a square as ``'224'``."""
    rows, columns = size
    return f'{rows}' if rows == columns else f'{rows} x {columns}'


def config_text(checkpoint: Checkpoint) -> str:
    """The training config inside an MMEngine checkpoint, as text; else empty."""
    meta = checkpoint.meta.get('meta')
    text = meta.get('cfg') if isinstance(meta, Mapping) else None
    return text if isinstance(text, str) else ''


def config_value(text: str, name: str) -> dict[str, Any]:
    """The dict assigned to ``name`` in a config's text, without running the text.

    A config in a checkpoint is a program of whoever wrote it: only literals and
    ``dict(...)`` are evaluated, everything else is left out.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == name for target in node.targets):
            value = _literal(node.value)
            return value if isinstance(value, dict) else {}
    return {}


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        return {word.arg: _literal(word.value) for word in node.keywords if word.arg is not None}
    if isinstance(node, ast.Dict):
        return {key.value: _literal(value) for key, value in zip(node.keys, node.values,
                                                                 strict=True)
                if isinstance(key, ast.Constant)}
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def heads_of(net: Architecture) -> int:
    """Attention heads, said by the file or usual for the width.

    Raises:
        ValueError: If neither is known.
    """
    heads = net.num_heads or HEADS_OF_WIDTH.get(net.width)
    if heads is None:
        raise ValueError(
            f'Attention heads: must be known for this target, but neither the file says them nor '
            f'is width {net.width} one of {sorted(HEADS_OF_WIDTH)}. Give --num-heads.')
    return heads
