"""Teachers of timm: DINOv2, DINOv3, EVA, SigLIP, CLIP, MAE, BEiT and whatever else it builds."""
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from amd_mm.checkpoints import compare_weights, read_checkpoint
from amd_mm.checkpoints.facts import NetworkFacts, facts_of
from amd_mm.models.blocks import Projections
from amd_mm.models.teachers.base import (
    STATISTICS,
    agreed_statistics,
    check_taps,
    pixel_statistics,
    warn_of_random_weights,
)
from amd_mm.models.teachers.image_teacher import ImageTeacher
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenGrid, gather_tokens, split_prefix
from amd_mm.values import FLAG, TEXT, instance, list_of, one_of, optional, takes, whole

# Whose positions timm resizes in a way of their own when it downloads them, and only then.
_OTHER_RESIZING = ('flexivit', 'radio')
# What comes after the blocks, and a token of pre-training: never read.
_UNREAD = ('head', 'fc_norm', 'attn_pool', 'mask_token', 'norm', 'pool')


@MODELS.register_module()
class TimmTeacher(ImageTeacher):
    """Any vision transformer of timm with one grid of patches, built and read by timm itself.

    It attends over the tokens that it is told to see where timm's blocks allow it (absolute and
    rotary positions: ViT, DINOv2, DINOv3, EVA, SigLIP, CLIP), else it needs them all (BEiT's
    relative positions, clips, ``match='interpolate'``): ``teacher_ratio=0``. A class token stays.
    Blocks behind the deepest tap are not kept.

    Args:
        architecture: timm's name, such as ``'vit_small_patch14_dinov2'``.
        taps: Blocks, counted from 1, whose outputs are the features.
        checkpoint: A file of timm's layout or its authors' (read safely, loaded strictly, positions
            resized by timm), a folder of timm with ``config.json``, or ``'hf://OWNER/NAME'``, which
            downloads. It has to be given; None asks for random weights and warns.
        normalize: Whether features go through the network's final norm, as DINOv2's do in use;
            False: raw outputs of the blocks.
        registers: ``'drop'``: features have no register tokens; ``'align'``: they stand behind the
            class token, for a student of pictures that has as many.
        match: None: the input is resized so that tokens agree; ``'interpolate'``: pictures of the
            architecture's own size, features interpolated.
        frames: For clips ``'first'`` or ``'mean'`` of the frames of a token (UMT, MVD), else None.
        mean, std: Of the pixels that it was trained on, one a channel, 0-255. None: as its folder
            says, else as timm says of the architecture.
        input_mean, input_std: Of the pixels that it is given; filled in by the algorithm.
        shard: As in :class:`amd_mm.FrozenTeacher`.
        student_grid: The tokens of the student; filled in by the algorithm.

    Raises:
        ValueError: If timm does not know the architecture or it is no vision transformer, the
            checkpoint is missing or does not fit, or a setting does not fit the student.
    """

    channels = 3

    @takes(
        architecture=TEXT,
        taps=list_of(whole(1)),
        checkpoint=optional(instance((str, Path), 'a path')),
        normalize=FLAG,
        registers=one_of('drop', 'align'),
        match=one_of(None, 'interpolate'),
        frames=one_of(None, 'first', 'mean'),
        shard=FLAG,
        student_grid=optional(instance(TokenGrid, 'a token grid')),
        **STATISTICS)
    def __init__(self,
                 architecture: str,
                 taps: Sequence[int],
                 checkpoint: str | None = '',
                 normalize: bool = False,
                 registers: str = 'drop',
                 match: str | None = None,
                 frames: str | None = None,
                 mean: Sequence[float] | None = None,
                 std: Sequence[float] | None = None,
                 input_mean: Sequence[float] | None = None,
                 input_std: Sequence[float] | None = None,
                 shard: bool = False,
                 student_grid: TokenGrid | None = None) -> None:
        super().__init__()
        if checkpoint == '':
            raise ValueError(
                f'The teacher {architecture} has no checkpoint: set model.teacher.checkpoint=FILE '
                '(--cfg-options); amd-mm zoo says where teachers are published. '
                'checkpoint=None gives random weights, for trials.')
        meta = build_network(architecture, None)
        self.can_leave_out = hasattr(meta, 'patch_drop')
        self.fit(student_grid, meta.patch_embed.patch_size, meta.patch_embed.img_size, match,
                 frames)
        self.network = build_network(architecture, self.picture_size)
        self.taps = check_taps(taps, len(self.network.blocks), 'teacher')
        self.embed_dims = self.network.embed_dim
        self.has_class_token = self.network.cls_token is not None
        self.num_prefix_tokens = int(self.has_class_token and not self.grid.is_video)
        if registers == 'align':
            tokens = getattr(self.network, 'reg_token', None)
            self.align_registers(0 if tokens is None else tokens.shape[1], architecture)
        if normalize and isinstance(self.network.norm, nn.Identity):
            raise ValueError(
                f'normalize=True needs a norm of tokens after the last block, but {architecture} '
                'has none: set model.teacher.normalize=False')
        self.normalize = normalize
        weights, said = None, NetworkFacts()
        if checkpoint is None:
            warn_of_random_weights()
        else:
            weights, said = _read(self.network, str(checkpoint))
        self.network.prune_intermediate_layers(
            [tap - 1 for tap in self.taps], prune_norm=not normalize, prune_head=True)
        if weights is not None:
            _fill(self.network, weights, str(checkpoint))
        own = pixel_statistics(mean, std, 'teacher')
        given = pixel_statistics(input_mean, input_std, "teacher's input")
        if own.mean or said.mean:
            own = agreed_statistics(own, said, given, str(checkpoint))
        else:
            usual = self.network.pretrained_cfg
            own = NetworkFacts(mean=tuple(255 * value for value in usual['mean']),
                               std=tuple(255 * value for value in usual['std']))
        self._keep = _KeptTokens(self.network) if self.sees_subsets else None
        if self._keep is not None:
            self.network.patch_drop = self._keep
        self.settle(own, given, self.network if shard else None)
        # Without rotary or relative positions, and with a block before it, whose output is known.
        attention = getattr(self.network.blocks[0], 'attn', None)  # parallel blocks have several
        self.gives_relations = (
            type(attention) is _timm().layers.Attention and min(self.taps) > 1
            and self.sees_subsets and not self.is_sharded)

    def encode(self, pictures: Tensor,
               token_ids: Tensor | None) -> list[tuple[Tensor, Tensor]]:
        """As :meth:`ImageTeacher.encode`, by timm's ``forward_intermediates``."""
        return self._outputs(pictures, token_ids, self.taps, self.normalize)

    def relations(self, images: Tensor, token_ids: Tensor) -> list[Projections]:
        """Of the blocks at the taps, of which only their first norm and projections are run."""
        before = self._outputs(
            self._pictures(images), token_ids, [tap - 1 for tap in self.taps], False)
        return [_project(self.network.blocks[tap - 1], torch.cat(parts, 1))
                for tap, parts in zip(self.taps, before, strict=True)]

    def _outputs(self, pictures: Tensor, token_ids: Tensor | None, taps: Sequence[int],
                 normalize: bool) -> list[tuple[Tensor, Tensor]]:
        """As :meth:`encode`, of any blocks, with or without the final norm."""
        if self._keep is not None:
            self._keep.token_ids = token_ids
        blocks = sorted(set(taps))
        found = self.network.forward_intermediates(
            pictures, indices=[block - 1 for block in blocks], norm=normalize, stop_early=True,
            output_fmt='NLC', intermediates_only=True, return_prefix_tokens=True)
        if self.network.num_prefix_tokens == 0:
            # timm gives no pairs then.
            found = [(patches, patches[:, :0]) for patches in found]
        parts = {block: (prefix[:, :self.num_prefix_tokens], patches)
                 for block, (patches, prefix) in zip(blocks, found, strict=True)}
        return [parts[tap] for tap in taps]


def _project(block: Any, x: Tensor) -> Projections:
    """Queries, keys and values that a block of timm makes of its input (B, N, D)."""
    attn = block.attn
    queries, keys, values = (part.unflatten(-1, (attn.num_heads, -1))
                             for part in attn.qkv(block.norm1(x)).chunk(3, -1))
    return Projections(attn.q_norm(queries), attn.k_norm(keys), values)


class _KeptTokens(nn.Module):
    """Stands where timm drops patches at random, and keeps those that are asked for.

    Args:
        network: Of timm. EVA's drops the same of its rotary positions, and asks which.
    """

    token_ids: Tensor | None = None

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.prefix: int = network.num_prefix_tokens
        self.says_which = isinstance(network, _timm().models.Eva)

    def forward(self, x: Tensor) -> Any:
        """(B, prefix + N, D) to (B, prefix + K, D)."""
        assert self.token_ids is not None
        prefix, patches = split_prefix(x, self.prefix)
        kept = torch.cat([prefix, gather_tokens(patches, self.token_ids)], 1)
        return (kept, self.token_ids) if self.says_which else kept


def _timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise ImportError('amd_mm.TimmTeacher needs timm: pip install timm') from error
    return timm


def build_network(architecture: str, size: tuple[int, int] | None) -> Any:
    """A network of timm without a head; without a size, of its own one and without memory.

    Raises:
        ValueError: If timm does not know it, or it is of another kind.
    """
    timm = _timm()
    kinds = ('a vision transformer with one grid of patches of pixels (ViT, DINO, EVA, SigLIP, '
             'CLIP, BEiT)')
    if not timm.is_model(architecture):
        near = timm.list_models(f'*{architecture}*')[:3] or ['vit_small_patch14_dinov2']
        raise ValueError(f'architecture of amd_mm.TimmTeacher must be one that timm '
                         f'{timm.__version__} knows, got {architecture!r}; perhaps '
                         f'{" or ".join(near)}')
    # timm builds them with GELU all the same, and its pages tell of it in a note.
    trained_as = architecture.replace('_clip_', '_clip_quickgelu_')
    if '.' in architecture and trained_as != architecture and timm.is_model_pretrained(trained_as):
        raise ValueError(f'architecture of amd_mm.TimmTeacher must have the activation that its '
                         f'weights were trained with, QuickGELU, got {architecture!r}: set '
                         f'{trained_as!r}')
    if size is None:
        with torch.device('meta'):
            network = timm.create_model(architecture, pretrained=False, num_classes=0)
    else:
        network = timm.create_model(architecture, pretrained=False, num_classes=0, img_size=size)
    is_vit = isinstance(
        network, (timm.models.VisionTransformer, timm.models.Eva, timm.models.Beit))
    if not is_vit or not isinstance(network.patch_embed, timm.layers.PatchEmbed):
        stem = ', whose patches are cut from features' if is_vit else ''
        raise ValueError(f'architecture of amd_mm.TimmTeacher must be {kinds}, got '
                         f'{architecture!r}, a {type(network).__name__}{stem}')
    return network


def _read(network: Any, path: str) -> tuple[dict[str, Tensor], NetworkFacts]:
    """Weights under timm's names, positions in the network's size, and what their file says.

    Args:
        network: The whole one; timm's translation looks at it.
        path: As ``checkpoint`` of :class:`TimmTeacher`.
    """
    if path.startswith('hf://'):
        state, said = _download(path), NetworkFacts()
    else:
        checkpoint = read_checkpoint(path)
        state, said = checkpoint.state_dict, facts_of(checkpoint)
    state = _without_zero_biases(state, network, path)
    name = network.pretrained_cfg['architecture']
    if any(kind in name for kind in _OTHER_RESIZING) and (
            'pos_embed' not in state or state['pos_embed'].shape != network.pos_embed.shape):
        raise ValueError(
            f'Checkpoint {path}: positions of {name} must be those of timm, for pictures of '
            f'{" x ".join(map(str, network.patch_embed.img_size))} pixels, because they are '
            "resized in a way of their own, but are not: take timm's file and "
            "model.teacher.match='interpolate'.")
    translate = sys.modules[type(network).__module__].checkpoint_filter_fn
    try:
        return translate(state, network), said
    except (AttributeError, KeyError, RuntimeError, ValueError) as error:
        raise _wrong(network, path, f'timm cannot read them so ({error})') from error


def _without_zero_biases(state: Mapping[str, Tensor], network: Any, path: str) -> dict[str, Tensor]:
    """Leave out biases of DINOv3's authors for which timm's network has no place.

    Their files have some for queries, keys (masked) and values, which are zero where timm builds
    no biases; timm would drop others, too.

    Raises:
        ValueError: If they are not zero.
    """
    takes_biases = any(name.endswith('attn.q_bias') for name, _ in network.named_parameters())
    if 'storage_tokens' not in state or takes_biases:
        return dict(state)
    biases = {name: value for name, value in state.items() if name.endswith('attn.qkv.bias')}
    for name, value in biases.items():
        queries, _, values = value.chunk(3)
        if queries.any() or values.any():
            raise _wrong(network, path, f'{name} is not zero, and that network has no such biases; '
                         "timm's of the same name with _qkvb behind has")
    return {name: value for name, value in state.items() if name not in biases}


def _fill(network: Any, weights: dict[str, Tensor], path: str) -> None:
    """Load strictly into the part that is kept.

    Raises:
        ValueError: If a weight is missing, left over or of another shape.
    """
    wanted = network.state_dict()
    unread = [name for name in weights if _is_unread(name, network)]
    if problems := str(compare_weights(weights, wanted, may_be_left=unread)):
        raise _wrong(network, path, problems)
    network.load_state_dict({name: weights[name] for name in wanted})


def _wrong(network: Any, path: str, problems: str) -> ValueError:
    return ValueError(
        f'Checkpoint {path}: must hold the weights of {network.pretrained_cfg["architecture"]}, '
        f'but {problems}. Name the architecture that it was trained as in '
        'model.teacher.architecture.')


def _is_unread(name: str, network: Any) -> bool:
    """Whether a weight is of what was cut off: later blocks, norms and heads behind them."""
    first, _, rest = name.partition('.')
    if first == 'blocks':
        return int(rest.partition('.')[0]) >= len(network.blocks)
    return first.startswith(_UNREAD)


def _download(path: str) -> dict[str, Tensor]:
    try:
        return _timm().models.load_state_dict_from_hf(path.removeprefix('hf://'), weights_only=True)
    except Exception as error:  # of the hub's library, of the network below it
        reason = str(error).strip().partition('\n')[0]
        raise ValueError(
            f'Checkpoint {path}: could not be downloaded ({reason[:200]}). On a machine that can, '
            f'fetch model.safetensors of {path.removeprefix("hf://")}, copy it here and set '
            'model.teacher.checkpoint=FILE.') from error
