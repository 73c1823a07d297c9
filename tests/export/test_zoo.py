"""Published checkpoints: complete entries, and recognising files by their shapes."""
import torch
from golden import golden

from amd_mm.checkpoints.layouts import LAYOUT_NAMES
from amd_mm.checkpoints.reading import Checkpoint
from amd_mm.export.zoo import PER_TOKEN, PLAIN, ZOO, identify, resembling


def shaped(width: int, depth: int, patch: int, decoder: bool) -> dict[str, torch.Tensor]:
    """Names and shapes of a MAE file, without memory."""
    state = {}
    for name, value in golden('dmae.teacher.').items():
        if (not decoder and 'decoder' in name) or name == 'mask_token' and not decoder:
            continue
        if name.startswith('blocks.'):
            continue
        shape = [width if size == 32 else size for size in value.shape]
        state[name] = torch.empty(shape, device='meta')
    state['patch_embed.proj.weight'] = torch.empty(width, 3, patch, patch, device='meta')
    for index in range(depth):
        for name, value in golden('dmae.teacher.blocks.0.').items():
            shape = [size // 32 * width if size % 32 == 0 else size for size in value.shape]
            state[f'blocks.{index}.{name}'] = torch.empty(shape, device='meta')
    return state


def names(state: dict) -> list[str]:
    return [entry.name for entry in resembling(*identify(Checkpoint(state)))]


def test_entries_are_complete() -> None:
    assert len({entry.name for entry in ZOO}) == len(ZOO)
    for entry in ZOO:
        assert 'https://' in entry.source and entry.layout in (None, *LAYOUT_NAMES) and entry.target
    licences = {entry.name: entry.licence for entry in ZOO}
    assert licences['amd-small'] == licences['videomae-large-ssv2'] == 'not stated'
    assert licences['videomae-v2-giant'] == 'MIT (LICENSE)'
    assert licences['mae-large-visualize'].startswith('CC-BY-NC-4.0')
    used = ' '.join(entry.used_by for entry in ZOO)
    assert all(data in used for data in ('Kinetics-400', 'Something-Something V2', 'ImageNet-1K'))


def test_recognises_files_by_their_shapes() -> None:
    assert names(shaped(1024, 24, 16, False)) == ['mae-large']
    assert names(shaped(1024, 24, 16, True)) == ['mae-large-full', 'mae-large-visualize']
    assert names(shaped(384, 12, 16, False)) == ['amd-small-in1k']
    assert names(shaped(768, 12, 16, False)) == ['mae-base', 'amd-base-in1k', 'dmae-base']
    assert names(shaped(1280, 32, 14, False)) == ['mae-huge']
    assert names(shaped(1280, 32, 16, False)) == []


def test_the_teacher_of_each_recipe() -> None:
    """DMAE's was trained on plain pixels, as its students are."""
    teachers = {entry.name: entry for entry in ZOO if entry.used_by}
    dmae, = (entry for entry in teachers.values() if entry.used_by.startswith('dmae/'))
    assert dmae.source.endswith('/mae_visualize_vit_large.pth') and dmae.target == PLAIN
    assert {entry.target for entry in teachers.values() if 'amd/ on ImageNet' in entry.used_by} == {
        PER_TOKEN}
