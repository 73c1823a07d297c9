from pathlib import Path

import pytest
import torch
from unsafe_files import serving

from amd_mm.checkpoints.addresses import address_of, local_file


@pytest.mark.parametrize(('path', 'address'), [
    ('http://a/b.pth', 'http://a/b.pth'), (Path('http://a/b.pth'), 'http://a/b.pth'),
    ('s3://bucket/b.pth', 's3://bucket/b.pth'), ('a/b.pth', None), ('/a/b.pth', None),
    ('C:/a/b.pth', None), ('a:b.pth', None), ('dir/http://a', None)])
def test_what_is_an_address(path: str | Path, address: str | None) -> None:
    assert address_of(path) == address


def test_paths_and_addresses_become_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    (tmp_path / 'a.pth').write_text('content')
    with local_file(tmp_path / 'a.pth') as local:
        assert local == tmp_path / 'a.pth'
    with serving(tmp_path) as address, local_file(f'{address}/a.pth') as local:
        assert local.read_text() == 'content' and local.is_relative_to(tmp_path / 'hub')
    with local_file(f'{address}/a.pth') as again:
        assert again == local


@pytest.mark.parametrize('address', ['ftpx://a/b.pth', 'http://127.0.0.1:1/a.pth'])
def test_addresses_where_nothing_can_be_had(address: str, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path))
    with pytest.raises(ValueError, match=f'^Checkpoint {address}: must be .*ownload it'), \
            local_file(address):
        raise AssertionError
