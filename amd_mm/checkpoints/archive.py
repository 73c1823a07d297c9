"""What a checkpoint file says of its own structure and sizes, before anything is made of it."""
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

# Weights may share memory, tied ones do; a file whose tensors are this many times its size is made
# to fill the memory of whoever copies them.
_MAX_SHARING = 8
# What a file of a few numbers may hold besides: no limit is meant for it.
_SMALL = 1 << 20
_LOCAL_HEADER = 30


def check_archive(path: Path) -> None:
    """Check that a zip archive is one that torch wrote and can be mapped into memory.

    Reads the table of contents alone.

    Args:
        path: The file.

    Raises:
        ValueError: If it is compressed, of another kind, or its records overlap.
    """
    records = _records(path)
    names = [record.filename for record in records]
    if not any(name.endswith('/data.pkl') for name in names):
        refuse(path, 'must be an archive that torch.save wrote',
               f'it is a zip file that holds {_shown(names)}',
               'Unpack it, and name the checkpoint in it.')
    if any(name.endswith('/constants.pkl') for name in names):
        refuse(path, 'must hold weights', 'it is a TorchScript program',
               'Save `model.state_dict()` of the model that was scripted.')
    if len(set(names)) < len(names):
        refuse(path, 'must hold every record once', f'some of {_shown(names)} are there twice',
               'Download it again.')
    packed = [record.filename for record in records if record.compress_type]
    if packed:
        refuse(path, 'must be as torch.save wrote it',
               f'it was compressed again ({len(packed)} of {len(names)} records: {_shown(packed)})',
               'Write it anew with `python -c "import torch; torch.save(torch.load(\'SRC\', '
               'weights_only=True), \'DST\')"`.')
    end = 0
    for record in sorted(records, key=lambda record: record.header_offset):
        if record.header_offset < end or record.file_size != record.compress_size:
            refuse(path, 'must hold its records one after the other',
                   f'{record.filename} lies in another one', 'Download it again.')
        end = record.header_offset + _LOCAL_HEADER + record.compress_size
    if end > path.stat().st_size:
        refuse(path, 'must be complete', f'its records end at {end} of {path.stat().st_size} bytes',
               'Download or copy it again and compare the size with the source.')


def check_sums(path: Path) -> None:
    """Compare every record of an archive with the checksum (CRC-32) that torch wrote beside it.

    Reads the whole file; torch's own reader does not look at them.

    Args:
        path: The file; one that is no zip archive has no checksums.

    Raises:
        ValueError: If one differs.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError,
            RuntimeError) as error:
        refuse(path, 'must be as it was written', f'{error}', 'Take an older one.', error)
    if damaged is not None:
        refuse(path, 'must be as it was written', f'the checksum of {damaged} differs',
               'Take an older one.')


def check_sizes(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Check that tensors are no larger than what their file holds for them.

    Args:
        tensors: As they were read, mapped from the file or in memory.
        path: The file.

    Raises:
        ValueError: If they are, or are not dense and in memory.
    """
    odd = {name: value for name, value in tensors.items()
           if value.layout != torch.strided or value.device.type != 'cpu'}
    if odd:
        name, value = next(iter(odd.items()))
        refuse(path, 'must hold dense tensors with values',
               f'{name} is {value.layout} on {value.device}', 'Save `model.state_dict()` dense.')
    size = path.stat().st_size
    bytes_of = {name: value.numel() * value.element_size() for name, value in tensors.items()}
    largest = max(bytes_of, key=bytes_of.__getitem__)
    if bytes_of[largest] > size or sum(bytes_of.values()) > _MAX_SHARING * size + _SMALL:
        refuse(path, f'must hold its tensors ({size} bytes)',
               f'they would take {sum(bytes_of.values())} bytes, {largest} '
               f'{tuple(tensors[largest].shape)} {bytes_of[largest]}: numbers that stand for many',
               'Save tensors that were expanded with `.contiguous()`.')
    if not zipfile.is_zipfile(path):
        return
    sizes = {record.file_size for record in _records(path)}
    for name, value in tensors.items():
        if value.numel() and value.untyped_storage().nbytes() not in sizes:
            refuse(path, 'must hold what its table says',
                   f'{name} has {value.untyped_storage().nbytes()} bytes, as no record',
                   'Download it again.')


def refuse(subject: object, rule: str, found: str, remedy: str,
           cause: Exception | None = None) -> NoReturn:
    """Raise a ValueError about a checkpoint: ``SUBJECT: RULE, but FOUND. REMEDY``."""
    raise ValueError(f'Checkpoint {subject}: {rule}, but {found}. {remedy}') from cause


def _records(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        refuse(path, 'must be a whole archive', f'{error}', 'Download it again.', error)


def _shown(names: list[str]) -> str:
    return ', '.join(names[:4]) + (', ...' if len(names) > 4 else '')
