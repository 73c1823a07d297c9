"""The name tables of every checkpoint layout: adding a layout is adding a table.

A row pairs a canonical name with the layout's spelling and is read in both directions.

- ``{i}`` and ``{j}`` stand for numbers (``{j}``: which generator, ``{i}``: which block).
- ``.*`` at the end of both stands for ``.weight`` and ``.bias``.
- ``a | b``: ``a`` is what is written, ``b`` is an older or newer spelling that is read too.
- ``/`` before a spelling: it is not behind the encoder's prefix though its row is the encoder's.
- ``a + b + c``: the canonical tensor is these, concatenated along the first dimension.

Canonical names (tensor shapes as in torch; D width, N tokens, P pixels of a token):

=============================================== ===========================================
``encoder.patch.*``                             (D, 3, [t,] p, p) and (D,)
``encoder.cls_token``, ``encoder.pos_embed``    (1, 1, D) and (1, [1 +] N, D)
``encoder.blocks.{i}.norm1.*`` (``norm2.*``)    before the attention (before the MLP)
``encoder.blocks.{i}.qkv.weight``               (3 D, D): query, key, value
``encoder.blocks.{i}.qkv.bias``                 (3 D,), images
``encoder.blocks.{i}.q_bias``, ``v_bias``       (D,), clips: no key bias
``encoder.blocks.{i}.{proj,fc1,fc2}.*``
``encoder.blocks.{i}.gamma1``, ``gamma2``       (D,), layer scale, clips
``encoder.norm.*``                              after the last block, on every token
``encoder.fc_norm.*``                           after mean pooling
``decoder.{embed,norm,head}.*``, ``decoder.mask_token``, ``decoder.pos_embed``,
``decoder.blocks.{i}.…``                        as the encoder's
``neck.projections.{j}.*``                      student width to teacher width
``neck.generators.{j}.mask_token``, ``neck.generators.{j}.blocks.{i}.…``
``head.*``                                      the classifier
=============================================== ===========================================
"""
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

Rows = tuple[tuple[str, str], ...]

# Around a whole model, taken off before anything else is looked at.
OUTER_PREFIXES = ('module.', 'model.', 'student.', '_orig_mod.')


@dataclass(frozen=True)
class Layout:
    """One way to name the weights of one modality.

    Attributes:
        name: What ``--from`` and ``--to`` say; layouts of both modalities share it.
        modality: ``'image'`` or ``'video'``.
        rows: The name table, see the module's docstring. The spellings of encoder rows
            come behind the encoder's prefix, all others stand as they are.
        prefixes: Encoder prefixes that are met.
        alone: Encoder prefix written when there is nothing but the encoder.
        beside: Encoder prefix written beside a decoder, neck or head.
        stores_encoder_positions: Whether files hold the encoder's table.
        stores_decoder_positions: Whether files hold the pixel decoder's table.
        part_prefixes: Prefixes by part, to recognise a head or decoder of another kind
            as such when only the encoder is wanted.
        unused: Regular expressions of keys that no model needs, with the reason.
        folder: Whether it is a Transformers folder and not a file.
        says: What the network can be told that no tensor holds, in ``config.json`` or beside the
            weights (names of :class:`~amd_mm.checkpoints.facts.NetworkFacts`).
    """

    name: str
    modality: str
    rows: Rows
    prefixes: tuple[str, ...]
    alone: str
    beside: str
    stores_encoder_positions: bool = True
    stores_decoder_positions: bool = False
    part_prefixes: tuple[tuple[str, str], ...] = ()
    unused: tuple[tuple[str, str], ...] = ()
    folder: bool = False
    says: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name and modality, for people."""
        return f'{self.name} ({self.modality})'

    @cached_property
    def spellings(self) -> tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]:
        """``(canonical, ((part, ...) of the first spelling, (part, ...) of the next, ...))``.

        Encoder names have no prefix yet, but for those with a slash.
        """
        result = []
        for canonical, text in self.rows:
            for ending in ('weight', 'bias') if canonical.endswith('.*') else ('',):
                spellings = tuple(
                    tuple(_expand(part, ending) for part in spelling.split(' + '))
                    for spelling in text.split(' | '))
                result.append((_expand(canonical, ending), spellings))
        return tuple(result)

    @property
    def anchor(self) -> tuple[str, ...]:
        """Spellings, without the encoder's prefix, of the weight that every encoder has."""
        spellings = dict(self.spellings)['encoder.patch.weight']
        return tuple(parts[0] for parts in spellings)


def _expand(name: str, ending: str) -> str:
    return name[:-1] + ending if ending else name


def with_prefix(canonical: str, spelling: str, prefix: str) -> str:
    """The full name of a spelling in a file whose encoder is behind ``prefix``."""
    if spelling.startswith('/'):
        return spelling[1:]
    return prefix + spelling if canonical.startswith('encoder.') else spelling


def pattern(template: str) -> re.Pattern[str]:
    """A regular expression for a name with ``{i}`` and ``{j}``."""
    return re.compile(re.escape(template).replace(r'\{i\}', r'(?P<i>\d+)')
                      .replace(r'\{j\}', r'(?P<j>\d+)') + r'\Z')


def _block(canonical: str, foreign: str, names: Rows) -> Rows:
    """Rows of the blocks under ``canonical`` and ``foreign``; every spelling gets the prefix."""
    def prefixed(text: str) -> str:
        return ' | '.join(' + '.join(f'{foreign}.{part}' for part in spelling.split(' + '))
                          for spelling in text.split(' | '))
    return tuple((f'{canonical}.{name}', prefixed(text)) for name, text in names)


def _either(first: Iterable[tuple[str, str]], *others: Iterable[tuple[str, str]]) -> Rows:
    """Rows whose ``first`` spelling is written and the ``others`` read."""
    return tuple((rows[0][0], ' | '.join(dict.fromkeys(text for _, text in rows)))
                 for rows in zip(first, *others, strict=True))


# Blocks, one a family of names. The released code of MAE and VideoMAE follows timm.
_TIMM_BLOCK = (
    ('norm1.*', 'norm1.*'), ('norm2.*', 'norm2.*'),
    ('qkv.*', 'attn.qkv.*'), ('proj.*', 'attn.proj.*'),
    ('fc1.*', 'mlp.fc1.*'), ('fc2.*', 'mlp.fc2.*'))
_VIDEO_ATTENTION = (
    ('norm1.*', 'norm1.*'), ('norm2.*', 'norm2.*'), ('qkv.weight', 'attn.qkv.weight'),
    ('q_bias', 'attn.q_bias'), ('v_bias', 'attn.v_bias'), ('proj.*', 'attn.proj.*'),
    ('gamma1', 'gamma_1'), ('gamma2', 'gamma_2'))
_VIDEOMAE_BLOCK = (*_VIDEO_ATTENTION, ('fc1.*', 'mlp.fc1.*'), ('fc2.*', 'mlp.fc2.*'))
_MMACTION_BLOCK = (
    *_VIDEO_ATTENTION, ('fc1.*', 'mlp.layers.0.0.*'), ('fc2.*', 'mlp.layers.1.*'))
_MMPRETRAIN_BLOCK = (
    ('norm1.*', 'ln1.* | norm1.*'), ('norm2.*', 'ln2.* | norm2.*'),
    ('qkv.*', 'attn.qkv.*'), ('proj.*', 'attn.proj.*'),
    ('fc1.*', 'ffn.layers.0.0.*'), ('fc2.*', 'ffn.layers.1.*'))
# Transformers: names up to v4, which v5 still writes to disk.
_V4_REST = (
    ('norm1.*', 'layernorm_before.*'), ('norm2.*', 'layernorm_after.*'),
    ('proj.*', 'attention.output.dense.*'),
    ('fc1.*', 'intermediate.dense.*'), ('fc2.*', 'output.dense.*'))
_V4_QKV = ' + '.join(f'attention.attention.{name}.X' for name in ('query', 'key', 'value'))
_V4_VIDEO_BLOCK = (
    ('qkv.weight', _V4_QKV.replace('X', 'weight')),
    # v5 in memory has the biases inside the linear layers.
    ('q_bias', 'attention.attention.q_bias | attention.attention.query.bias'),
    ('v_bias', 'attention.attention.v_bias | attention.attention.value.bias'), *_V4_REST)
_V4_IMAGE_BLOCK = (('qkv.*', _V4_QKV.replace('X', '*')), *_V4_REST)
# In memory in v5.23.
_V5_IMAGE_BLOCK = (
    ('qkv.*', 'attention.q_proj.* + attention.k_proj.* + attention.v_proj.*'),
    ('norm1.*', 'layernorm_before.*'), ('norm2.*', 'layernorm_after.*'),
    ('proj.*', 'attention.o_proj.*'), ('fc1.*', 'mlp.fc1.*'), ('fc2.*', 'mlp.fc2.*'))

_MMACTION_ROWS = (
    ('encoder.patch.*', 'patch_embed.projection.*'),
    ('encoder.pos_embed', 'pos_embed'),
    *_block('encoder.blocks.{i}', 'blocks.{i}', _MMACTION_BLOCK),
    ('encoder.norm.*', 'norm.*'), ('encoder.fc_norm.*', 'fc_norm.*'),
    ('head.*', 'cls_head.fc_cls.*'))
_MMPRETRAIN_ROWS = (
    ('encoder.patch.*', 'patch_embed.projection.*'),
    ('encoder.cls_token', 'cls_token'), ('encoder.pos_embed', 'pos_embed'),
    *_block('encoder.blocks.{i}', 'layers.{i}', _MMPRETRAIN_BLOCK),
    ('encoder.norm.*', 'ln1.* | norm1.*'), ('encoder.fc_norm.*', 'ln2.* | norm2.*'))
_OUR_DECODER = (
    ('decoder.embed.*', 'decoder.embed.*'), ('decoder.mask_token', 'decoder.mask_token'),
    ('decoder.norm.*', 'decoder.norm.*'), ('decoder.head.*', 'decoder.head.*'),
    ('neck.projections.{j}.*', 'neck.projections.{j}.*'),
    ('neck.generators.{j}.mask_token', 'neck.generators.{j}.mask_token'))
_MAE_ENCODER = (
    ('encoder.patch.*', 'patch_embed.proj.*'),
    ('encoder.cls_token', 'cls_token'), ('encoder.pos_embed', 'pos_embed'),
    *_block('encoder.blocks.{i}', 'blocks.{i}', _TIMM_BLOCK),
    ('encoder.norm.*', 'norm.*'), ('encoder.fc_norm.*', 'fc_norm.*'), ('head.*', 'head.*'))


def _with_our_parts(rows: Rows, block: Rows) -> Rows:
    return (*rows, *_OUR_DECODER,
            *_block('decoder.blocks.{i}', 'decoder.blocks.{i}', block),
            *_block('neck.generators.{j}.blocks.{i}', 'neck.generators.{j}.blocks.{i}', block))


_HOST_UNUSED = ((r'data_preprocessor\.(mean|std)', 'constants of the data preprocessor'),)
_HOST_PARTS = (('decoder.', 'decoder'), ('neck.', 'neck'), ('necks.', 'neck'), ('head.', 'head'),
               ('cls_head.', 'head'))

_IMAGE_FACTS = ('num_heads', 'norm_eps')
_VIDEO_FACTS = ('num_heads', 'norm_eps', 'qk_scale')
_FOLDER_FACTS = ('num_heads', 'norm_eps', 'activation')

LAYOUTS = (
    Layout('amd_mm', 'image',
           (*_with_our_parts(_MMPRETRAIN_ROWS, _MMPRETRAIN_BLOCK),
            ('head.*', 'head.fc.* | head.layers.head.*')),
           ('backbone.', ''), 'backbone.', 'backbone.',
           part_prefixes=_HOST_PARTS, unused=_HOST_UNUSED, says=_IMAGE_FACTS),
    Layout('amd_mm', 'video', _with_our_parts(_MMACTION_ROWS, _MMACTION_BLOCK),
           ('backbone.', ''), 'backbone.', 'backbone.',
           part_prefixes=_HOST_PARTS, unused=_HOST_UNUSED, says=_VIDEO_FACTS),
    Layout('mmpretrain', 'image', (
        *_MMPRETRAIN_ROWS, ('head.*', 'head.fc.* | head.layers.head.*'),
        ('decoder.embed.*', 'neck.decoder_embed.*'),
        ('decoder.mask_token', 'neck.mask_token'),
        ('decoder.pos_embed', 'neck.decoder_pos_embed'),
        *_block('decoder.blocks.{i}', 'neck.decoder_blocks.{i}', _MMPRETRAIN_BLOCK),
        ('decoder.norm.*', 'neck.ln1.* | neck.norm1.* | neck.decoder_norm.*'),
        ('decoder.head.*', 'neck.decoder_pred.*')),
        ('backbone.', ''), 'backbone.', 'backbone.', stores_decoder_positions=True,
        part_prefixes=_HOST_PARTS, unused=_HOST_UNUSED, says=_IMAGE_FACTS),
    Layout('mmaction2', 'video', _MMACTION_ROWS, ('backbone.', ''), 'backbone.', 'backbone.',
           part_prefixes=_HOST_PARTS, unused=_HOST_UNUSED, says=_VIDEO_FACTS),
    Layout('videomae', 'video', (
        ('encoder.patch.*', 'patch_embed.proj.*'), ('encoder.pos_embed', 'pos_embed'),
        *_block('encoder.blocks.{i}', 'blocks.{i}', _VIDEOMAE_BLOCK),
        ('encoder.norm.*', 'norm.*'), ('encoder.fc_norm.*', 'fc_norm.*'),
        ('decoder.embed.*', 'encoder_to_decoder.*'), ('decoder.mask_token', 'mask_token'),
        *_block('decoder.blocks.{i}', 'decoder.blocks.{i}', _VIDEOMAE_BLOCK),
        ('decoder.norm.*', 'decoder.norm.*'), ('decoder.head.*', 'decoder.head.*'),
        ('neck.projections.{j}.*', 'encoder.projection_heads.{j}.*'),
        ('neck.generators.{j}.mask_token', 'generator_mask_tokens.{j}'),
        *_block('neck.generators.{j}.blocks.{i}', 'generators.{j}.blocks.{i}', _VIDEOMAE_BLOCK),
        ('head.*', 'head.*')),
        ('encoder.', 'backbone.', ''), '', 'encoder.', stores_encoder_positions=False,
        part_prefixes=(('decoder.', 'decoder'), ('encoder_to_decoder.', 'decoder'),
                       ('generators.', 'neck'), ('head.', 'head')),
        unused=((r'generators\.\d+\.norm\.(weight|bias)',
                 "the released generator's norm, which its forward never uses"),)),
    Layout('mae', 'image', (
        *_MAE_ENCODER, ('decoder.embed.*', 'decoder_embed.*'),
        ('decoder.mask_token', 'mask_token'), ('decoder.pos_embed', 'decoder_pos_embed'),
        *_block('decoder.blocks.{i}', 'decoder_blocks.{i}', _TIMM_BLOCK),
        ('decoder.norm.*', 'decoder_norm.*'), ('decoder.head.*', 'decoder_pred.*'),
        ('neck.projections.{j}.*', 'aligned_feature_projection_heads.{j}.*')),
        ('', 'backbone.', 'encoder.'), '', '', stores_decoder_positions=True,
        part_prefixes=(('decoder_', 'decoder'), ('head.', 'head'),
                       ('aligned_feature_projection_heads.', 'neck'))),
    Layout('timm', 'image', _MAE_ENCODER, ('',), '', '', part_prefixes=(('head.', 'head'),)),
    Layout('transformers', 'video', (
        ('encoder.patch.*', 'embeddings.patch_embeddings.projection.*'),
        *_block('encoder.blocks.{i}', 'encoder.layer.{i}', _V4_VIDEO_BLOCK),
        ('encoder.norm.*', 'layernorm.*'), ('encoder.fc_norm.*', '/fc_norm.*'),
        ('decoder.embed.*', 'encoder_to_decoder.*'), ('decoder.mask_token', 'mask_token'),
        *_block('decoder.blocks.{i}', 'decoder.decoder_layers.{i}', _V4_VIDEO_BLOCK),
        ('decoder.norm.*', 'decoder.norm.*'), ('decoder.head.*', 'decoder.head.*'),
        ('head.*', 'classifier.*')),
        ('videomae.', ''), '', 'videomae.', stores_encoder_positions=False,
        part_prefixes=(('decoder.', 'decoder'), ('encoder_to_decoder.', 'decoder'),
                       ('classifier.', 'head')), folder=True, says=_FOLDER_FACTS),
    Layout('transformers', 'image', (
        ('encoder.patch.*', 'embeddings.patch_embeddings.projection.*'),
        ('encoder.cls_token', 'embeddings.cls_token'),
        ('encoder.pos_embed', 'embeddings.position_embeddings'),
        *_either(sorted(_block('encoder.blocks.{i}', 'encoder.layer.{i}', _V4_IMAGE_BLOCK)),
                 sorted(_block('encoder.blocks.{i}', 'layers.{i}', _V5_IMAGE_BLOCK))),
        ('encoder.norm.*', 'layernorm.*'),
        ('decoder.embed.*', 'decoder.decoder_embed.*'),
        ('decoder.mask_token', 'decoder.mask_token'),
        ('decoder.pos_embed', 'decoder.decoder_pos_embed'),
        *_either(
            sorted(_block('decoder.blocks.{i}', 'decoder.decoder_layers.{i}', _V4_IMAGE_BLOCK)),
            sorted(_block('decoder.blocks.{i}', 'decoder.decoder_layers.{i}', _V5_IMAGE_BLOCK)),
            # What save_pretrained of v5.23 makes of it.
            sorted(_block('decoder.blocks.{i}', 'decoder.decoder_encoder.layer.{i}',
                          _V4_IMAGE_BLOCK))),
        ('decoder.norm.*', 'decoder.decoder_norm.*'),
        ('decoder.head.*', 'decoder.decoder_pred.*'), ('head.*', 'classifier.*')),
        ('vit.', ''), '', 'vit.', stores_decoder_positions=True,
        part_prefixes=(('decoder.', 'decoder'), ('classifier.', 'head')),
        unused=((r'(vit\.)?pooler\.dense\.(weight|bias)',
                 'the pooler of ViTModel, behind the encoder'),), folder=True,
           says=_FOLDER_FACTS),
)
LAYOUT_NAMES = tuple(dict.fromkeys(layout.name for layout in LAYOUTS))


def layout_named(name: str, modality: str) -> Layout:
    """The layout of that name and modality, which have to be known."""
    return next(layout for layout in LAYOUTS if (layout.name, layout.modality) == (name, modality))
