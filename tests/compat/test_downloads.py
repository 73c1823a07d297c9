from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from unsafe_files import serving

from amd_mm.compat.downloads import downloaded


def test_each_address_is_a_file_of_its_own(tmp_path: Path) -> None:
    for name in ('a', 'b'):
        (tmp_path / 'web' / name).mkdir(parents=True)
        (tmp_path / 'web' / name / 'model.pth').write_text(name)
    with serving(tmp_path / 'web') as address:
        paths = {name: downloaded(f'{address}/{name}/model.pth', str(tmp_path / 'cache'))
                 for name in ('a', 'b')}
    for name, path in paths.items():
        assert path.read_text() == name and path.name == 'model.pth'
    assert downloaded(f'{address}/a/model.pth', str(tmp_path / 'cache')) == paths['a']


def test_the_cache_is_torch_hubs_and_holds_no_failure(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path))
    with serving(tmp_path) as address, pytest.raises(URLError):
        downloaded(f'{address}/none.pth')
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]


@pytest.mark.parametrize('end', ['', '..', '.'])
def test_an_address_without_a_name_stays_in_its_folder(
        end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, 'download_url_to_file',
                        lambda url, path, progress: Path(path).write_text('content'))
    path = downloaded(f'http://host/{end}', str(tmp_path))
    assert path.name == 'file' and path.parent.parent == tmp_path and path.read_text() == 'content'
