"""Relations between tokens, of student and teacher (TinyMIM, CVPR 2023)."""
from collections.abc import Sequence

from torch import Tensor

from amd_mm.models.blocks import Projections
from amd_mm.models.necks.neck import Neck
from amd_mm.registry import MODELS
from amd_mm.tokens import GRID, TokenGrid, TokenMask
from amd_mm.values import CONFIG, FLAG, list_of, one_of, optional, takes, whole

_PARTS = dict(q='queries', k='keys', v='values')


@MODELS.register_module()
class RelationNeck(Neck):
    """Compares how tokens relate to each other in one block of student and teacher.

    A relation is the matrix of scaled products of two of queries, keys and values, one a head:
    ``'qk'`` becomes the attention weights, ``'vv'`` is that of the values with themselves. The
    student's channels are taken apart into as many heads as the teacher has. That is what TinyMIM
    calls an adaptive block: its student's last block has the teacher's number of heads, but
    only until fine-tuning, and only this neck would notice.

    There is nothing to project, hence no parameter. Of the tokens that the teacher sees those count
    that the student sees, too.

    Args:
        student_dims: Width of the student; filled in by the algorithm.
        teacher_dims: Width of the teacher; filled in by the algorithm.
        num_pairs: Aligned blocks, one; filled in by the algorithm.
        grid: The tokens; filled in by the algorithm.
        loss: Of two relations, such as ``amd_mm.RelationLoss``.
        relations: Which, of ``'qk'``, ``'qq'``, ``'kk'`` and ``'vv'``; TinyMIM: ``['qk', 'vv']``.
        align_cls_token: Whether the class token is one of the tokens (TinyMIM: yes).
        num_heads: Heads of a relation; None: the teacher's.
        with_cp: Filled in by the algorithm; there is nothing to recompute.

    Raises:
        ValueError: If there are several taps, a relation is named twice, or the heads do not
            divide a width.
    """

    reads = 'relations'
    generates = False
    takes_raw_features = False

    @takes(
        student_dims=whole(1),
        teacher_dims=whole(1),
        num_pairs=whole(1),
        grid=GRID,
        loss=CONFIG,
        relations=list_of(one_of('qk', 'qq', 'kk', 'vv')),
        align_cls_token=FLAG,
        num_heads=optional(whole(1)),
        with_cp=FLAG)
    def __init__(self,
                 student_dims: int,
                 teacher_dims: int,
                 num_pairs: int,
                 grid: TokenGrid,
                 loss: dict,
                 relations: Sequence[str],
                 align_cls_token: bool,
                 num_heads: int | None = None,
                 with_cp: bool = False) -> None:
        super().__init__()
        if num_pairs != 1:
            raise ValueError(
                f'RelationNeck compares one block, got {num_pairs} taps: give student and teacher '
                'one each.')
        if len(set(relations)) < len(relations):
            raise ValueError(
                f'relations of RelationNeck must be different, got {list(relations)}.')
        self.align_cls_token = align_cls_token
        self.relations = list(relations)
        self.num_heads = num_heads
        self.loss_module = MODELS.build(loss)

    def loss(self, features: Sequence[Projections], teacher_features: Sequence[Projections],
             mask: TokenMask) -> dict[str, Tensor]:
        """``loss_qk``, ``loss_vv``, ..., one a relation.

        Args:
            features: (B, prefix + V, heads, channels) each, of the one block of the student.
            teacher_features: (B, prefix + V + E, heads, channels) each, of the teacher's.
            mask: Which tokens these are.
        """
        (student, ), (teacher, ) = features, teacher_features
        num_heads = self.num_heads or teacher.queries.shape[2]
        losses = {}
        for name in self.relations:
            mine = (mask.split_student(getattr(student, _PARTS[letter])) for letter in name)
            theirs = (mask.split_teacher(getattr(teacher, _PARTS[letter])) for letter in name)
            losses[f'loss_{name}'] = self.loss_module(*(
                _scaled_products(*(
                    _in_heads(part.seen(self.align_cls_token), num_heads) for part in parts))
                for parts in (mine, theirs)))
        return losses


def _in_heads(tokens: Tensor, num_heads: int) -> Tensor:
    """(B, N, heads, channels) to (B, num_heads, N, channels of these heads)."""
    tokens = tokens.flatten(2)
    if tokens.shape[-1] % num_heads:
        raise ValueError(
            f'The heads of relations must divide the widths of student and teacher, got '
            f'{num_heads} heads and a width of {tokens.shape[-1]}: set model.neck.num_heads.')
    return tokens.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def _scaled_products(left: Tensor, right: Tensor) -> Tensor:
    """(B, heads, N, N), over the root of the channels of a head."""
    return left @ right.transpose(-2, -1) / left.shape[-1]**.5
