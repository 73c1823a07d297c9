import resource
import struct
import zipfile
from pathlib import Path

import pytest
import torch

from amd_mm.checkpoints import read_state_dict
from amd_mm.checkpoints.archive import check_archive, check_sizes

WEIGHTS = {f'w{number}': torch.randn(50, 10) for number in range(3)}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.save({'model': WEIGHTS}, tmp_path / 'a.pth')
    return tmp_path / 'a.pth'


def repacked(path: Path, method: int = zipfile.ZIP_STORED, **changed: bytes) -> Path:
    """The archive with the same records, packed by Python's zipfile; some with other content."""
    to = path.with_name('repacked.pth')
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, 'w', method) as new:
        for record in old.infolist():
            key = record.filename.rpartition('/')[2]
            new.writestr(record.filename, changed.get(key, old.read(record)))
    return to


@pytest.mark.parametrize('method', [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_again(saved: Path, method: int) -> None:
    with pytest.raises(ValueError, match='was compressed again.*torch.save'):
        read_state_dict(repacked(saved, method))


def test_the_remedy_for_compressed_files_works(saved: Path) -> None:
    packed = repacked(saved, zipfile.ZIP_DEFLATED)
    torch.save(torch.load(packed, weights_only=True), saved)
    state = read_state_dict(saved)
    assert all(torch.equal(state[name], value) for name, value in WEIGHTS.items())


def test_packed_again_without_compression(saved: Path) -> None:
    state = read_state_dict(repacked(saved))
    assert all(torch.equal(state[name], value) for name, value in WEIGHTS.items())


def test_records_of_another_size_than_the_table_says(saved: Path) -> None:
    with pytest.raises(ValueError, match='w0 has 2000 bytes, as no record'):
        read_state_dict(repacked(saved, **{str(n): bytes(1999) for n in range(3)}))


def test_other_archives(saved: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / 'b.pth', 'w') as archive:
        archive.write(saved, 'a.pth')
    with pytest.raises(ValueError, match=r'a zip file that holds a\.pth\. Unpack it'):
        read_state_dict(tmp_path / 'b.pth')
    torch.jit.script(torch.nn.Linear(1, 1)).save(tmp_path / 'c.pth')
    with pytest.raises(ValueError, match='TorchScript'):
        read_state_dict(tmp_path / 'c.pth')


def test_records_twice_and_in_one_another(saved: Path) -> None:
    content = saved.read_bytes()
    table = content.rindex(b'PK\x01\x02', 0, content.rindex(b'data/2'))
    twice = content[:table] + content[table:].replace(b'data/2', b'data/1')
    saved.write_bytes(twice)
    with pytest.raises(ValueError, match='every record once'):
        check_archive(saved)
    # the third record begins where the second does
    first = content.index(b'PK\x01\x02', 0)
    offsets = [at + 42 for at in range(first, len(content)) if content[at:at + 4] == b'PK\x01\x02']
    second = content[offsets[5]:offsets[5] + 4]
    saved.write_bytes(content[:offsets[6]] + second + content[offsets[6] + 4:])
    with pytest.raises(ValueError, match='one after the other'):
        check_archive(saved)


@pytest.mark.parametrize('zipped', [True, False])
def test_numbers_that_stand_for_many(zipped: bool, tmp_path: Path) -> None:
    torch.save({'a': torch.zeros(1).expand(60_000, 50_000)}, tmp_path / 'a.pth',
               _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match='would take 12000000000 bytes.*contiguous'):
        read_state_dict(tmp_path / 'a.pth')
    many = torch.zeros(300_000)
    torch.save({f'w{number}': many[:-1 - number] for number in range(20)}, tmp_path / 'b.pth',
               _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match='numbers that stand for many'):
        read_state_dict(tmp_path / 'b.pth')


def test_tied_weights_are_read(tmp_path: Path) -> None:
    weight = torch.randn(1000, 100)
    torch.save({'a': weight, 'b': weight, 'c': weight.T}, tmp_path / 'a.pth')
    state = read_state_dict(tmp_path / 'a.pth')
    assert torch.equal(state['c'].T, weight) and state['a'].data_ptr() == state['b'].data_ptr()


def test_a_table_that_lies_takes_no_memory(tmp_path: Path) -> None:
    """In the old format too: 12 GB announced, 4000 bytes there."""
    torch.save({'a': torch.zeros(1000)}, tmp_path / 'a.pth', _use_new_zipfile_serialization=False)
    content = (tmp_path / 'a.pth').read_bytes()
    number = content.index(b'M\xe8\x03', content.index(b'FloatStorage'))
    (tmp_path / 'a.pth').write_bytes(
        content[:number] + b'\x8a\x05' + struct.pack('<q', 3 * 10**9)[:5] + content[number + 3:])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match='truncated or damaged'):
        read_state_dict(tmp_path / 'a.pth')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


@pytest.mark.parametrize('value', [
    torch.ones(2, 2).to_sparse(), torch.ones(2, device='meta')], ids=['sparse', 'meta'])
def test_tensors_without_values_of_their_own(value: torch.Tensor, tmp_path: Path) -> None:
    (tmp_path / 'a.pth').write_bytes(bytes(1000))
    with pytest.raises(ValueError, match='dense tensors with values'):
        check_sizes({'a': value}, tmp_path / 'a.pth')
