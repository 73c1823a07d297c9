"""A teacher of ours: MAE's and VideoMAE's encoders, in whatever layout their weights are."""
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from amd_mm.checkpoints import fill_encoder
from amd_mm.models.backbones import Encoder
from amd_mm.models.blocks import Projections
from amd_mm.models.teachers.base import (
    STATISTICS,
    Teacher,
    agreed_statistics,
    check_grid,
    check_taps,
    pixel_statistics,
    resize_frames,
    warn_of_random_weights,
)
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenGrid, TokenMask
from amd_mm.values import CONFIG, FLAG, instance, list_of, optional, takes, whole


@MODELS.register_module()
class FrozenTeacher(Teacher):
    """An encoder of ours read at some blocks, without gradient, always in eval mode.

    It attends over the tokens that it is told to see. Only the blocks up to the deepest tap are
    kept, unless its pixels are to be predicted. Where its patches are of another size than the
    student's, the input is resized to (the student's tokens) times its patch, on the device.

    Args:
        backbone: Config of an encoder with ``encode``.
        taps: Blocks, counted from 1, whose raw outputs are the features.
        checkpoint: File or folder of any layout in ``amd_mm.checkpoints``. It has to be
            given; None asks for random weights and warns.
        decoder: An ``amd_mm.PixelDecoder``, also in the checkpoint: what it makes of the masked
            tokens then stands in the place of the true pixels (a flag of DMAE's released code).
            None: the decoder is dropped.
        mean, std: Of the pixels that it was trained on, one a channel, 0-255. None: as its file
            says, else those of its input.
        input_mean, input_std: Of the pixels that it is given, likewise; AMD passes its data
            preprocessor's. Where they differ from the teacher's own, the input is normalised
            anew on its device. None: unknown; the input is taken as it is, with a warning if
            the teacher's own are said and not ImageNet's.
        shard: Every process keeps its share of the weights and fetches a block when it is
            that block's turn (torch's ``fully_shard``), for teachers too large for one GPU. All
            processes have to call the teacher together, as training does. One process keeps
            everything.
        student_grid: The tokens of the student; filled in by the algorithm.

    Raises:
        ValueError: If no checkpoint is given or it does not fit, if taps are not
            numbers between 1 and the depth, if mean and deviation are not what the file says
            or not one a channel, or if its tokens are not as many as the student's.
    """

    backbone: Encoder
    sees_subsets = True

    @takes(
        backbone=CONFIG,
        taps=list_of(whole(1)),
        checkpoint=optional(instance((str, Path), 'a path')),
        decoder=optional(CONFIG),
        shard=FLAG,
        student_grid=optional(instance(TokenGrid, 'a token grid')),
        **STATISTICS)
    def __init__(self,
                 backbone: dict,
                 taps: Sequence[int],
                 checkpoint: str | None = '',
                 decoder: dict | None = None,
                 mean: Sequence[float] | None = None,
                 std: Sequence[float] | None = None,
                 input_mean: Sequence[float] | None = None,
                 input_std: Sequence[float] | None = None,
                 shard: bool = False,
                 student_grid: TokenGrid | None = None) -> None:
        super().__init__()
        if checkpoint == '':
            raise ValueError(
                'The teacher has no checkpoint: set model.teacher.checkpoint=FILE '
                '(--cfg-options). Teachers are published by their authors: VideoMAE in '
                'github.com/MCG-NJU/VideoMAE (MODEL_ZOO.md), MAE in '
                'github.com/facebookresearch/mae; or train one with configs/videomae or '
                'configs/mae. checkpoint=None gives random weights, for trials.')
        own = pixel_statistics(mean, std, 'teacher')
        given = pixel_statistics(input_mean, input_std, "teacher's input")
        self.backbone = MODELS.build(backbone)
        self.taps = check_taps(taps, self.backbone.depth, 'teacher')
        check_grid(student_grid, self.backbone.grid)
        self.grid = student_grid or self.backbone.grid
        self.channels = self.backbone.architecture.channels
        self.embed_dims = self.backbone.embed_dims
        self.num_prefix_tokens = self.backbone.num_prefix_tokens
        self.has_class_token = self.num_prefix_tokens > 0
        self.decoder = None if decoder is None else MODELS.build(decoder, default_args=dict(
            in_dims=self.embed_dims,
            grid=self.grid,
            num_prefix_tokens=self.num_prefix_tokens,
            channels=self.channels))
        self.predicts_pixels = self.decoder is not None
        if self.predicts_pixels and self.grid != self.backbone.grid:
            raise ValueError(
                'A teacher that predicts pixels must have patches of the size of the student\'s, '
                f'got {self.backbone.grid.patch} and {self.grid.patch}: set '
                'model.teacher.decoder=None.')
        if checkpoint is None:
            warn_of_random_weights()
            self.init_weights()
        else:
            if self.decoder is None:
                self.backbone.drop_final_norm()  # never read, and a fine-tuned file has none
            own = agreed_statistics(own, fill_encoder(
                self.backbone, checkpoint, decoder=self.decoder), given, checkpoint)
        if self.decoder is None:
            self.backbone.truncate(max(self.taps))
        self.settle(own, given, self.backbone if shard else None)
        # A shard is fetched where a block is called, and for relations none is.
        self.gives_relations = not self.is_sharded

    def features(self, images: Tensor, token_ids: Tensor) -> list[Tensor]:
        """Raw outputs of the blocks; nothing is computed of other tokens."""
        return self.backbone.encode(self._fitted(images), token_ids, self.taps)[1]

    @torch.no_grad()
    def predict(self, images: Tensor, mask: TokenMask) -> tuple[list[Tensor], Tensor]:
        """As :meth:`Teacher.predict`, in one pass through the encoder."""
        assert self.decoder is not None
        latent, features = self.backbone.encode(
            self.normalized(images), mask.teacher_visible, self.taps)
        return features, self.decoder(latent, mask)

    def relations(self, images: Tensor, token_ids: Tensor) -> list[Projections]:
        """Queries, keys and values of the blocks; nothing is computed of other tokens."""
        images = self._fitted(images)
        return [self.backbone.project(images, token_ids, tap) for tap in self.taps]

    def _fitted(self, images: Tensor) -> Tensor:
        """Images in whose size its own patches give the student's tokens."""
        return resize_frames(images, self.backbone.grid.frame_size)
