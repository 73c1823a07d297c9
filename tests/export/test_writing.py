"""Writing never harms: half files, existing files, full disks."""
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from amd_mm.export.writing import check_destination, own_storage, replacing, save_torch


def test_replaces_files_and_folders(tmp_path: Path) -> None:
    for name in ('file', 'folder'):
        path = tmp_path / name
        for content in ('old', 'new'):
            with replacing(path) as temporary:
                if name == 'folder':
                    temporary.mkdir()
                    (temporary / 'inside').write_text(content)
                else:
                    temporary.write_text(content)
    assert (tmp_path / 'file').read_text() == 'new'
    assert (tmp_path / 'folder/inside').read_text() == 'new'
    assert sorted(os.listdir(tmp_path)) == ['file', 'folder']


def test_a_folder_takes_the_place_of_a_file_and_back(tmp_path: Path) -> None:
    path = tmp_path / 'a'
    path.write_text('old')
    with replacing(path) as temporary:
        temporary.mkdir()
    assert path.is_dir()
    with replacing(path) as temporary:
        temporary.write_text('new')
    assert path.read_text() == 'new' and os.listdir(tmp_path) == ['a']


@pytest.mark.parametrize('kind', [KeyboardInterrupt, RuntimeError, ValueError])
def test_an_interruption_leaves_what_was_there(kind: type, tmp_path: Path) -> None:
    (tmp_path / 'a').write_text('old')
    with pytest.raises(kind), replacing(tmp_path / 'a') as temporary:
        temporary.write_text('half')
        raise kind
    assert (tmp_path / 'a').read_text() == 'old' and os.listdir(tmp_path) == ['a']


def test_a_folder_comes_back_if_the_renaming_fails(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a/old').touch()
    rename, calls = os.rename, []

    def fails_second(*args):
        calls.append(args)
        if len(calls) == 2:
            raise OSError(5, 'Input/output error')
        rename(*args)

    monkeypatch.setattr(os, 'rename', fails_second)
    with pytest.raises(ValueError, match='Input/output error'), \
            replacing(tmp_path / 'a') as temporary:
        temporary.mkdir()
    assert os.listdir(tmp_path / 'a') == ['old'] and os.listdir(tmp_path) == ['a']


FULL = '''
import resource, sys
from pathlib import Path
import torch
from amd_mm.export.writing import replacing, save_torch
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
with replacing(Path(sys.argv[1])) as temporary:
    save_torch({'w': torch.zeros(100000)}, temporary)
'''


@pytest.mark.slow
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files fails writes as a full disk does."""
    (tmp_path / 'a.pth').write_text('old')
    done = subprocess.run([sys.executable, '-c', FULL, tmp_path / 'a.pth'], capture_output=True,
                          text=True, env={**os.environ, 'PYTHONPATH': os.getcwd()})
    assert 'ValueError: Destination' in done.stderr and 'File too large' in done.stderr
    assert (tmp_path / 'a.pth').read_text() == 'old' and os.listdir(tmp_path) == ['a.pth']
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096


def test_destination(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / 'a').touch()
    with pytest.raises(ValueError, match='must not exist.*--force'):
        check_destination(tmp_path / 'a')
    assert check_destination(tmp_path / 'a', force=True) == tmp_path / 'a'
    with pytest.raises(ValueError, match='its folder must exist'):
        check_destination(tmp_path / 'b/c')
    # The tests may run as root, who may write everywhere.
    monkeypatch.setattr(os, 'access', lambda path, mode: mode != os.W_OK)
    with pytest.raises(ValueError, match='its folder must be writable'):
        check_destination(tmp_path / 'b')


def test_only_exported_folders_are_replaced(tmp_path: Path) -> None:
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a/config.json').touch()
    assert check_destination(tmp_path / 'a', force=True)
    (tmp_path / 'a/thesis.tex').touch()
    with pytest.raises(ValueError, match='only a folder of exported files.*holds thesis.tex'):
        check_destination(tmp_path / 'a', force=True)


def test_views_do_not_drag_their_storage_along(tmp_path: Path) -> None:
    whole = torch.randn(3000, 10)
    parts = own_storage(dict(zip('abc', whole.chunk(3), strict=True)))
    save_torch(parts['a'], tmp_path / 'a.pth')
    assert (tmp_path / 'a.pth').stat().st_size < whole.nbytes / 2
    assert all(torch.equal(part, want)
               for part, want in zip(parts.values(), whole.chunk(3), strict=True))
    shared = own_storage({'a': whole, 'b': whole})
    assert shared['a'].data_ptr() != shared['b'].data_ptr()
