"""Lists, samples, shards and checkpoints of an S3 server on this machine."""
import io
import logging
import tarfile

import pytest
import torch
from mmengine.fileio import get_file_backend, get_local_path
from mmengine.registry import DATASETS
from mmengine.runner.checkpoint import CheckpointLoader, save_checkpoint
from PIL import Image

from amd_mm.checkpoints import read_checkpoint
from amd_mm.compat.remote_storage import FsspecBackend
from amd_mm.datasets import shards
from amd_mm.datasets.files import PICTURES, walk
from amd_mm.datasets.reading import read_bytes

pytest.importorskip('fsspec')
BACKEND = FsspecBackend()
SECRET = 'a-secret-of-nobody'


@pytest.fixture(scope='module')
def s3():
    """The address of an empty bucket."""
    pytest.importorskip('s3fs')
    server_class = pytest.importorskip('moto.server').ThreadedMotoServer
    import s3fs
    server = server_class(ip_address='127.0.0.1', port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        host, port = server.get_host_and_port()
        patch.setenv('AWS_ENDPOINT_URL', f'http://{host}:{port}')
        patch.setenv('AWS_ACCESS_KEY_ID', 'anybody')
        patch.setenv('AWS_SECRET_ACCESS_KEY', SECRET)
        patch.setenv('AWS_DEFAULT_REGION', 'us-east-1')
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir('bucket')
        yield 's3://bucket'
    server.stop()


@pytest.fixture(params=['s3', 'memory'])
def storage(request):
    if request.param == 's3':
        return request.getfixturevalue('s3')
    return 'memory://bucket'


def png():
    stream = io.BytesIO()
    Image.radial_gradient('L').resize((20, 30)).convert('RGB').save(stream, 'png')
    return stream.getvalue()


def packed():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode='w') as tar:
        for name, content in {'a.png': png(), 'a.cls': b'3', 'b.png': b'b', 'b.cls': b'4'}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def test_files_and_folders(storage):
    root = f'{storage}/files'
    backend = get_file_backend(root)
    assert type(backend) is FsspecBackend
    backend.put(b'0123456789', f'{root}/a/x.png')
    backend.put_text('text', f'{root}/b.txt')
    assert backend.get(f'{root}/a/x.png') == b'0123456789'
    assert backend.get_range(f'{root}/a/x.png', 3, 4) == b'3456'
    assert backend.get_text(f'{root}/b.txt') == 'text'
    assert backend.size(f'{root}/a/x.png') == 10
    assert [backend.isdir(f'{root}/{name}') for name in ('a', 'b.txt')] == [True, False]
    assert [backend.isfile(f'{root}/{name}') for name in ('a', 'b.txt')] == [False, True]
    assert backend.join_path(root, 'a', '/x.png') == f'{root}/a/x.png'
    assert list(backend.list_dir_or_file(root)) == ['a', 'b.txt']
    assert list(backend.list_dir_or_file(root, list_dir=False, recursive=True)) == [
        'a/x.png', 'b.txt']
    assert walk(root, PICTURES).files == ['a/x.png']
    with get_local_path(f'{root}/b.txt') as local, open(local) as file:
        assert file.read() == 'text'
    backend.remove(f'{root}/b.txt')
    assert not backend.exists(f'{root}/b.txt')
    with pytest.raises(FileNotFoundError, match=r'b\.txt does not exist'):
        read_bytes(f'{root}/b.txt')


def test_a_list_of_a_shard_and_a_file_loads_in_workers(storage, monkeypatch):
    root = f'{storage}/set'
    BACKEND.put(packed(), f'{root}/0.tar')
    BACKEND.put(png(), f'{root}/file.png')
    asked = []
    entry = shards.index_shard(f'{root}/0.tar', PICTURES).entries[0]
    BACKEND.put_text(f'0.tar#{entry.offset}+{entry.size} {entry.label}\nfile.png 5\n',
                     f'{root}/list.txt')
    BACKEND.put_text(f'{shards.fingerprint(f"{root}/0.tar")} 0.tar\n', f'{root}/list.txt.shards')
    dataset = DATASETS.build(dict(
        type='amd_mm.PictureDataset', ann_file=f'{root}/list.txt', data_prefix=root,
        pipeline=[dict(type='amd_mm.LoadPicture')]))
    loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=2)
    one, other = loader
    assert (one['gt_label'], other['gt_label']) == (3, 5)
    assert (one['img'] == other['img']).all() and one['img'].shape == (30, 20, 3)
    # One request for what the sample takes, not the shard.
    monkeypatch.setattr(FsspecBackend, 'get_range', lambda self, path, start, size, real=(
        FsspecBackend.get_range): (asked.append((start, size)), real(self, path, start, size))[1])
    assert read_bytes(f'{root}/0.tar#{entry.offset}+{entry.size}') == png()
    assert asked == [(0, 512 + len(png()))]
    BACKEND.put(packed() + bytes(512), f'{root}/0.tar')
    with pytest.raises(ValueError, match=r'/set/0\.tar changed since it was indexed'):
        DATASETS.build(dict(type='amd_mm.PictureDataset', ann_file=f'{root}/list.txt',
                            data_prefix=root, pipeline=[]))


def test_checkpoints(storage):
    weights = dict(state_dict={'w': torch.arange(5.)}, meta=dict(epoch=3))
    save_checkpoint(weights, f'{storage}/run/epoch_3.pth')
    for found in (CheckpointLoader.load_checkpoint(f'{storage}/run/epoch_3.pth')['state_dict'],
                  read_checkpoint(f'{storage}/run/epoch_3.pth').state_dict):
        assert torch.equal(found['w'], torch.arange(5.))


def test_secrets_stay_out(s3, caplog):
    with caplog.at_level(logging.DEBUG, 'amd_mm'), pytest.raises(OSError) as caught:
        read_bytes('s3://no-such-bucket/a.png')
    assert SECRET not in str(caught.value) + repr(BACKEND.__dict__)
    with pytest.raises(ValueError, match='must hold no name or password') as refused:
        read_bytes(f's3://anybody:{SECRET}@bucket/a.png')
    assert SECRET not in str(refused.value)
    with pytest.raises(TypeError):
        FsspecBackend(key='anybody', secret=SECRET)


def test_a_library_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'fsspec', None)
    with pytest.raises(ImportError, match=r's3://b/a.png needs fsspec .*amd-mm\[remote\]'):
        BACKEND.get('s3://b/a.png')


def test_errors_of_libraries_are_errors_of_files(monkeypatch):
    class Fails:
        def cat_file(self, path):
            raise RuntimeError('no credentials')

    monkeypatch.setattr('amd_mm.compat.remote_storage._system', lambda path: (Fails(), path))
    with pytest.raises(OSError, match='a.png cannot be read: RuntimeError: no credentials'):
        read_bytes('s3://b/a.png')
