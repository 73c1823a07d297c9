"""Teachers of Transformers: DINOv2, DINOv3, CLIP, SigLIP, ViT, MAE, BEiT, V-JEPA 2, VideoMAE."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from amd_mm.checkpoints.facts import facts_of
from amd_mm.models.teachers.base import (
    STATISTICS,
    agreed_statistics,
    check_taps,
    pixel_statistics,
    warn_of_random_weights,
)
from amd_mm.models.teachers.image_teacher import ImageTeacher
from amd_mm.models.teachers.transformers_network import (
    NORMS,
    class_of,
    cuts_of,
    forward_settings,
    load_network,
    network_config,
    quiet,
    read_folder,
    set_size,
    warn_of_unsaid_pixels,
)
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenGrid, gather_tokens, split_prefix
from amd_mm.values import FLAG, MAPPING, instance, list_of, one_of, optional, takes, whole


@MODELS.register_module()
class TransformersTeacher(ImageTeacher):
    """An encoder of patches of Transformers, built and read by Transformers itself, from a folder.

    DINOv2 (with and without registers), DINOv3, CLIP, SigLIP, ViT, MAE, MSN, I-JEPA, BEiT and
    data2vec see pictures; V-JEPA 2 and VideoMAE see clips. It attends over the tokens that it is
    told to see, except where positions are relative (BEiT, data2vec), pictures stand for clips or
    ``match='interpolate'``: then it needs them all, ``teacher_ratio=0``. A class token stays.
    Blocks behind the deepest tap are not kept.

    Args:
        taps: Blocks, counted from 1, whose outputs are the features.
        checkpoint: A folder with ``config.json`` and ``model.safetensors`` or ``pytorch_model.bin``
            (read safely, loaded strictly; of CLIP and SigLIP the vision tower is read), or
            ``'hf://OWNER/NAME'``, which downloads. It has to be given; None asks for random weights
            and warns.
        architecture: For ``checkpoint=None``, what ``config.json`` would say; else None.
        normalize: Whether features go through the network's final norm; False: raw outputs of the
            blocks.
        registers: As in :class:`amd_mm.TimmTeacher`.
        match: As in :class:`amd_mm.TimmTeacher`; None for a teacher of clips.
        frames: As in :class:`amd_mm.TimmTeacher`; None for a teacher of clips.
        mean, std: Of the pixels that it was trained on, one a channel, 0-255. None: as its folder
            says, else those of its input.
        input_mean, input_std: Of the pixels that it is given; filled in by the algorithm.
        shard: As in :class:`amd_mm.FrozenTeacher`.
        student_grid: The tokens of the student; filled in by the algorithm.

    Raises:
        ValueError: If the folder is missing, wants code of its own, is of another kind or does not
            fit its weights, or a setting does not fit the student.
    """

    @takes(
        taps=list_of(whole(1)),
        checkpoint=optional(instance((str, Path), 'a path')),
        architecture=optional(MAPPING),
        normalize=FLAG,
        registers=one_of('drop', 'align'),
        match=one_of(None, 'interpolate'),
        frames=one_of(None, 'first', 'mean'),
        shard=FLAG,
        student_grid=optional(instance(TokenGrid, 'a token grid')),
        **STATISTICS)
    def __init__(self,
                 taps: Sequence[int],
                 checkpoint: str | None = '',
                 architecture: dict | None = None,
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
                'The teacher has no checkpoint: set model.teacher.checkpoint=FOLDER '
                '(--cfg-options); amd-mm zoo says where teachers are published. '
                'checkpoint=None with an architecture gives random weights, for trials.')
        if (checkpoint is None) != (architecture is not None):
            raise ValueError(
                'architecture of amd_mm.TransformersTeacher belongs to checkpoint=None (a folder '
                f'has its own), got {architecture!r} with {checkpoint!r}: give one of the two.')
        read = None if checkpoint is None else read_folder(str(checkpoint))
        place = 'The architecture' if read is None else f'Checkpoint {checkpoint}'
        kind, config = network_config(dict(read.config if read else architecture or {}), place)
        self.can_leave_out = kind.gathers
        patch, own_size = cuts_of(config)
        self.fit(student_grid, patch, own_size, match, frames)
        self.taps = check_taps(taps, config.num_hidden_layers, 'teacher')
        config.num_hidden_layers = max(self.taps)
        set_size(config, self._own_grid, own_size, place)
        self.channels = getattr(config, 'num_channels', getattr(config, 'in_chans', 3))
        self.embed_dims = config.hidden_size
        self.has_class_token = kind.class_token
        self.num_prefix_tokens = int(kind.class_token and frames is None)
        num_registers = getattr(config, 'num_register_tokens', 0)
        if registers == 'align':
            self.align_registers(num_registers, config.model_type)
        if read is None:
            warn_of_random_weights()
            with quiet():
                network = class_of(kind)(config, **kind.settings)
        else:
            network = load_network(kind, config, read, normalize, place)
        self.network = _Reader(
            network, self.taps, self._own_grid, normalize,
            prefix=int(kind.class_token) + num_registers, place=place)
        own = pixel_statistics(mean, std, 'teacher')
        given = pixel_statistics(input_mean, input_std, "teacher's input")
        if read is not None:
            said = facts_of(read)
            if not (own.mean or said.mean):
                warn_of_unsaid_pixels(place)
            own = agreed_statistics(own, said, given, str(checkpoint))
        self.settle(own, given, self.network if shard else None)

    def encode(self, pictures: Tensor,
               token_ids: Tensor | None) -> list[tuple[Tensor, Tensor]]:
        """As :meth:`ImageTeacher.encode`, by the network's own forward."""
        return [(tokens[:, :self.num_prefix_tokens], tokens[:, self.network.prefix:])
                for tokens in self.network(pictures, token_ids)]


class _Reader(nn.Module):
    """A network of Transformers that gives what is behind some blocks, of some tokens.

    Args:
        network: Its blocks are read until the last one.
        taps: Blocks, counted from 1.
        grid: Tokens of its input.
        normalize: Whether to give what the final norm makes of it.
        prefix: Tokens before those of patches.
        place: For messages.

    Raises:
        ValueError: If there is no final norm to go through.
    """

    def __init__(self, network: Any, taps: Sequence[int], grid: TokenGrid, normalize: bool,
                 prefix: int, place: str) -> None:
        super().__init__()
        rotates_in_blocks = network.config.model_type == 'vjepa2'
        self.network = network.encoder if rotates_in_blocks else network
        self.taps, self.grid, self.prefix = list(taps), grid, prefix
        self._depth = network.config.num_hidden_layers
        self._found: dict[int, Tensor] = {}
        self._token_ids: Tensor | None = None
        self._settings = forward_settings(self.network)
        norm = self._take_norm(normalize, place)
        self.network.embeddings.register_forward_hook(self._leave_out)
        if hasattr(self.network, 'rope_embeddings'):
            self.network.rope_embeddings.register_forward_hook(self._leave_out_rotations)
        for number, block in enumerate(self.blocks, 1):
            if rotates_in_blocks:
                block.register_forward_pre_hook(self._say_places)
            if number in self.taps:
                block.register_forward_hook(self._keeper(number, norm))

    @property
    def blocks(self) -> Any:
        """The network's list of blocks, wherever a version of Transformers has it."""
        return next(part for part in self.network.modules()
                    if isinstance(part, nn.ModuleList) and len(part) == self._depth)

    def forward(self, pictures: Tensor, token_ids: Tensor | None) -> list[Tensor]:
        """(B, prefix + K, D) at each tap; arguments as in :meth:`ImageTeacher.encode`."""
        self._token_ids = token_ids
        settings = dict(self._settings)
        if 'noise' in settings:  # MAE's masking, of nothing, in raster order
            settings['noise'] = torch.arange(
                self.grid.num_tokens, device=pictures.device).expand(len(pictures), -1)
        if self.grid.is_video:
            pictures = pictures.transpose(1, 2)
        self.network(pictures, **settings)
        found = [self._found[tap] for tap in self.taps]
        self._found.clear()
        return found

    def _take_norm(self, normalize: bool, place: str) -> Any:
        """The final norm, which stays where it is; without one to be read it is cut off."""
        name = next(name for name in NORMS if hasattr(self.network, name))
        norm = getattr(self.network, name)
        if not normalize:
            if norm is not None:
                setattr(self.network, name, nn.Identity())
            return nn.Identity()
        if not isinstance(norm, nn.LayerNorm):
            raise ValueError(
                f'{place}: must have a norm behind the blocks for normalize=True, got none '
                '(use_mean_pooling in its config.json): set model.teacher.normalize=False.')
        return norm

    def _keeper(self, number: int, norm: nn.Module) -> Any:
        def keep(block: nn.Module, inputs: Any, output: Any) -> None:
            # While the network runs: where it is shared out, its norm is there only then.
            self._found[number] = norm(output[0] if isinstance(output, tuple) else output)
        return keep

    def _leave_out(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """What the embeddings give, of the tokens to be seen."""
        if self._token_ids is None:
            return output
        whole = output[0] if isinstance(output, tuple) else output
        prefix, patches = split_prefix(whole, self.prefix)
        kept = torch.cat([prefix, gather_tokens(patches, self._token_ids)], 1)
        return (kept, *output[1:]) if isinstance(output, tuple) else kept

    def _leave_out_rotations(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """DINOv3's cosines and sines (N, D), of the tokens to be seen: (B, 1, K, D)."""
        if self._token_ids is None:
            return output
        return tuple(part[self._token_ids][:, None] for part in output)

    def _say_places(self, module: nn.Module, inputs: Any) -> Any:
        """V-JEPA 2's blocks, told where their tokens are on its square of rows and columns."""
        tokens = inputs[0]
        _, rows, columns = self.grid.size
        if self._token_ids is None and rows == columns:
            return inputs
        ids = self._token_ids
        if ids is None:
            ids = torch.arange(tokens.shape[1], device=tokens.device).expand(len(tokens), -1)
        side = max(rows, columns)
        frame, row, column = ids // (rows * columns), ids // columns % rows, ids % columns
        return tokens, (frame * side + row) * side + column
