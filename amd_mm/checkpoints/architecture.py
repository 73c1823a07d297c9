"""What network canonical weights belong to, read off their shapes and what the file says."""
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from amd_mm.checkpoints.facts import (
    HEADS_OF_WIDTH,
    SPACE_TIME,
    NetworkFacts,
    compare_facts,
    facts_of,
    size_text,
)
from amd_mm.checkpoints.reading import Checkpoint
from amd_mm.positions import fixed_positions, grids_of_fixed, space_time_positions

# What every published VideoMAE, VideoMAE V2 and AMD file was trained with.
USUAL_FRAMES, USUAL_SIZE = 16, (224, 224)
# 64 frames at 1024 pixels; the table of a file that says more is not made.
_MAX_TOKENS = 32 * 64 * 64


@dataclass(frozen=True)
class Architecture(NetworkFacts):
    """The encoder that weights belong to. None: the weights do not tell, nor does the file.

    Attributes:
        modality: ``'image'`` or ``'video'``.
        width, depth, mlp_width, patch, channels: As usual; ``patch`` in pixels.
        tubelet: Frames a token, 1 for images.
        class_token: Whether there is one.
        num_positions: Length of the position table with the class token's.
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
                 'class_token': 'class token', 'num_positions': 'positions'}
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in names}
        return [f'{names[name]}: checkpoint {mine}, model {theirs}'
                for name, (mine, theirs) in pairs.items()
                if mine is not None and theirs is not None and mine != theirs
                ] + compare_facts(self, other)


def architecture_of(weights: Mapping[str, Tensor],
                    checkpoint: Checkpoint | None = None) -> Architecture:
    """Read the architecture off canonical weights and what their file says.

    Args:
        weights: Canonical names to tensors; needs the patch embedding and blocks.
        checkpoint: Where they come from; see :func:`~amd_mm.checkpoints.facts.facts_of`.

    Raises:
        ValueError: If what the file says contradicts the shapes.
    """
    patch = weights['encoder.patch.weight']
    is_video = patch.ndim == 5
    depth = 1 + max(int(name.split('.')[2]) for name in weights
                    if name.startswith('encoder.blocks.'))
    table = weights.get('encoder.pos_embed')
    said = NetworkFacts() if checkpoint is None else facts_of(checkpoint)
    if 'decoder.mask_token' not in weights:
        said = replace(said, decoder_heads=None)
    net = Architecture(
        modality='video' if is_video else 'image',
        width=patch.shape[0],
        depth=depth,
        mlp_width=weights['encoder.blocks.0.fc1.weight'].shape[0],
        patch=patch.shape[-1],
        channels=patch.shape[1],
        tubelet=patch.shape[2] if is_video else 1,
        class_token='encoder.cls_token' in weights,
        num_positions=None if table is None else table.shape[1],
        **vars(said if is_video else replace(said, num_frames=1, positions=None)))
    return net if table is None else replace(_with_sizes(net, table), positions=None)


def _with_sizes(net: Architecture, table: Tensor) -> Architecture:
    """Image size and frame count as the position table has them, where it tells.

    The fixed table of images is another for every shape of the same area. Where the table
    is learnt, what the file says holds if it has as many positions; images are square else.
    """
    tokens = table.shape[1] - net.class_token
    if net.modality == 'image' and (grids := grids_of_fixed(table, int(net.class_token))):
        return replace(net, image_size=(grids[0][0] * net.patch, grids[0][1] * net.patch))
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
    usual = replace(net, image_size=size,
                    num_frames=net.num_frames or USUAL_FRAMES)
    positions = math.prod(usual.known_grid) + net.class_token
    if net.num_positions not in (None, positions):
        raise ValueError(
            f'Source: what it was trained with must be known, but its {net.num_positions} '
            f'positions are not the {positions} of {usual.num_frames} frames at '
            f'{size_text(size)} pixels. Convert it once with `amd-mm convert '
            'SRC DST --part encoder --source-size PIXELS --source-frames FRAMES`, which says it.')
    return usual


def computed_positions(net: Architecture) -> Tensor:
    """(1, [1 +] N, D): the fixed table of a network whose file holds none; its grid is known.

    Raises:
        ValueError: If the width is no multiple of what the table needs, or it would be larger than
            any network's.
    """
    if (tokens := math.prod(net.known_grid)) > _MAX_TOKENS:
        raise ValueError(
            f'Source: size and frames that it says must be those of a network, but '
            f'{net.num_frames} frames at {net.image_size} pixels are {tokens} tokens. Correct its '
            'config.')
    if net.positions == SPACE_TIME:
        return space_time_positions(net.known_grid, net.width)
    return fixed_positions(net.modality, net.known_grid, net.width, int(net.class_token))


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
