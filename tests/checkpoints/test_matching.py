"""Every key accounted for: layouts found, ambiguity, mixtures and leftovers refused."""
from dataclasses import replace

import pytest
import torch
from golden import golden
from tiny_vits import image_vit, pretraining, video_vit
from torch import Tensor

from amd_mm.checkpoints.layouts import LAYOUT_NAMES, LAYOUTS, Layout
from amd_mm.checkpoints.matching import (
    assemble,
    detect,
    require_complete,
    require_explained,
    spell,
    split_part,
    strip_outer_prefixes,
)


def layout(name: str, modality: str) -> Layout:
    return next(x for x in LAYOUTS if (x.name, x.modality) == (name, modality))


def canonical(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return assemble(state, detect(state))


@pytest.mark.parametrize('table', LAYOUTS, ids=lambda table: table.label)
def test_tables_are_read_in_both_directions(table: Layout) -> None:
    """Whatever a table writes, it reads back as the same names with the same values."""
    model = pretraining(table.modality, amd=table.name == 'amd_mm')
    ours = canonical(model.state_dict())
    ours['decoder.pos_embed'] = torch.randn(1, 17, 16)
    ours |= {'head.weight': torch.randn(5, 24), 'head.bias': torch.randn(5)}
    ours |= {f'encoder.fc_norm.{name}': torch.randn(24) for name in ('weight', 'bias')}
    named, homeless = spell(ours, table)
    kept = {name: value for name, value in ours.items() if name not in homeless}
    match = detect(named, layouts=[table])
    require_explained(match)
    again = assemble(named, match)
    assert again.keys() == kept.keys()
    assert all(torch.equal(again[name], value) for name, value in kept.items())


@pytest.mark.parametrize('table', LAYOUTS, ids=lambda table: table.label)
def test_no_spelling_stands_for_two_weights(table: Layout) -> None:
    seen: dict[str, str] = {}
    for name, spellings in table.spellings:
        for parts in spellings:
            for part in parts:
                full = part if part.startswith('/') or not name.startswith('encoder.') \
                    else f'<encoder>{part}'
                assert seen.setdefault(full, name) == name


def test_finds_layouts() -> None:
    found = {
        'videomae': golden('amd.student.'), 'mae': golden('dmae.student.'),
        'amd_mm': pretraining('video', amd=True).state_dict()}
    for name, state in found.items():
        assert detect(state).layout.name == name
    # A bare encoder is read alike by ours and the host's table, so there is nothing to choose.
    assert detect(video_vit().state_dict()).layout.name == 'amd_mm'
    assert detect(video_vit().state_dict(), 'mmaction2').layout.name == 'mmaction2'


def test_older_names_of_mmpretrain() -> None:
    state = image_vit().state_dict()
    older = {name.replace('ln', 'norm'): value for name, value in state.items()}
    assert older.keys() != state.keys()
    first, second = canonical(state), canonical(older)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_adding_a_layout_is_adding_a_table() -> None:
    mae = layout('mae', 'image')
    shouting = Layout('shouting', 'image', tuple(
        (name, text.replace('blocks', 'BLOCKS')) for name, text in mae.rows), ('',), '', '')
    state = {name.replace('blocks', 'BLOCKS'): value
             for name, value in golden('dmae.teacher.').items()}
    match = detect(state, layouts=[*LAYOUTS, shouting])
    assert match.layout.name == 'shouting' and not match.unexplained
    again, homeless = spell(assemble(state, match), shouting)
    assert not homeless and all(torch.equal(again[name], state[name]) for name in state)


def test_ambiguity_lists_the_candidates() -> None:
    timm = layout('timm', 'image')
    swapped = {'norm1.*': 'norm2.*', 'norm2.*': 'norm1.*'}
    other = replace(timm, name='swapped', rows=tuple(
        (name, f'blocks.{{i}}.{swapped[text.removeprefix("blocks.{i}.")]}')
        if text.removeprefix('blocks.{i}.') in swapped else (name, text)
        for name, text in timm.rows))
    state, _ = spell(canonical(image_vit().state_dict()), timm)
    with pytest.raises(ValueError, match=r'different ways: .*timm \(image\), swapped \(image\).'):
        detect(state, layouts=[timm, other])
    assert detect(state, 'swapped', layouts=[timm, other]).layout is other


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match='must be one of amd_mm, .*got .videoame'):
        detect(golden('amd.teacher.'), 'videoame')
    with pytest.raises(ValueError, match='those of any known layout.*first keys are a.weight'):
        detect({'a.weight': torch.ones(1)})
    with pytest.raises(ValueError, match='those of the layout mae'):
        detect(golden('amd.teacher.'), 'mae')
    assert len(LAYOUT_NAMES) == 7


def test_outer_prefixes() -> None:
    state = golden('amd.teacher.')
    wrapped = {f'module.student.{name}': value for name, value in state.items()}
    assert strip_outer_prefixes(wrapped).keys() == state.keys()
    mixed = dict(list(wrapped.items())[:5]) | dict(list(state.items())[5:])
    with pytest.raises(ValueError, match="'module.' must stand before every key or none"):
        strip_outer_prefixes(mixed)
    twice = state | {'module.norm.weight': torch.ones(1), 'norm.weight': torch.ones(1)}
    with pytest.raises(ValueError, match='1 keys stand there with and without it: norm.weight'):
        strip_outer_prefixes(twice)


def test_two_encoders_and_two_names_for_one_weight() -> None:
    state = golden('amd.teacher.')
    both = state | {f'encoder.{name}': value for name, value in state.items()}
    with pytest.raises(ValueError, match="behind the prefixes 'encoder.', ''"):
        detect(both)
    ours = image_vit().state_dict()
    with pytest.raises(ValueError, match='mean the same: .*ln1.weight and .*norm1.weight'):
        detect(ours | {'layers.0.norm1.weight': torch.ones(24)})


def test_unexplained_keys_are_printed() -> None:
    state = golden('amd.student.') | {f'odd.{i}': torch.ones(1) for i in range(30)}
    match = detect(state)
    with pytest.raises(ValueError, match='30 keys are unknown: odd.0, .* and 10 more') as error:
        require_explained(match)
    assert 'odd.19' in str(error.value)


def test_foreign_heads_are_dropped_for_the_encoder_only() -> None:
    state = golden('amd.student.') | {'head.layers.3.weight': torch.ones(1)}
    match = detect(state)
    assert match.unexplained == ['head.layers.3.weight']
    dropped = split_part(match, 'encoder')
    require_explained(match)
    assert dropped['head.layers.3.weight'] == 'head: only the encoder is wanted'
    assert dropped['mask_token'] == 'decoder: only the encoder is wanted'
    state['encoder.blocks.0.surprise'] = torch.ones(1)
    match = detect(state)
    split_part(match, 'encoder')
    with pytest.raises(ValueError, match='unknown: encoder.blocks.0.surprise'):
        require_explained(match)


def test_a_missing_piece_of_a_fused_weight() -> None:
    named, _ = spell(canonical(image_vit().state_dict()), layout('transformers', 'image'))
    del named['encoder.layer.1.attention.attention.key.bias']
    match = detect(named)
    with pytest.raises(ValueError, match='pieces are missing of encoder.blocks.1.qkv.bias'):
        require_explained(match)


def test_missing_blocks() -> None:
    names = canonical(video_vit(depth=3).state_dict()).keys()
    require_complete(names)
    with pytest.raises(ValueError, match=r'missing .*encoder.blocks.1.fc1.bias'):
        require_complete(name for name in names if '.blocks.1.' not in name)
    with pytest.raises(ValueError, match=r'encoder.blocks.0'):
        require_complete(name for name in names if '.blocks.' not in name)
