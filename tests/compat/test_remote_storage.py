"""Lists, samples, shards and checkpoints of an S3 and a web server on this machine."""
import asyncio
import io
import logging
import tarfile
import threading

import pytest
import torch
from clips import write_video
from mmengine.fileio import get_file_backend, get_local_path
from mmengine.hooks import Hook
from mmengine.registry import DATASETS
from mmengine.runner.checkpoint import CheckpointLoader, save_checkpoint
from PIL import Image
from runs import run, toy_config, weights

from amd_mm.checkpoints import read_checkpoint
from amd_mm.compat.remote_storage import FsspecBackend
from amd_mm.datasets import reading, shards
from amd_mm.datasets.files import PICTURES, VIDEOS, FileError, walk
from amd_mm.datasets.reading import read_bytes
from amd_mm.engine import build_training_runner

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


@pytest.fixture
def web(tmp_path):
    """The address of a folder on a web server, and the (method, name, range) of its requests."""
    aiohttp_web = pytest.importorskip('aiohttp.web')
    asked = []

    @aiohttp_web.middleware
    async def noted(request, handler):
        asked.append((request.method, request.path, request.headers.get('Range')))
        return await handler(request)

    async def closed(request):
        raise aiohttp_web.HTTPForbidden

    async def whole(request):
        return aiohttp_web.Response(body=packed())

    app = aiohttp_web.Application(middlewares=[noted])
    app.router.add_get('/closed.png', closed)
    app.router.add_get('/whole/0.tar', whole)
    app.router.add_static('/', tmp_path)
    loop, started = asyncio.new_event_loop(), threading.Event()
    runner = aiohttp_web.AppRunner(app)

    async def start():
        await runner.setup()
        await aiohttp_web.TCPSite(runner, '127.0.0.1', 0).start()
        started.set()

    def serve():
        loop.run_until_complete(start())
        loop.run_forever()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    started.wait()
    yield f'http://127.0.0.1:{runner.addresses[0][1]}', asked
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_shard_of_a_web_server_is_read_by_ranges(web, tmp_path, monkeypatch):
    root, asked = web
    monkeypatch.setattr(reading, 'PAUSES', ())
    (tmp_path / '0.tar').write_bytes(packed())
    (tmp_path / 'file.png').write_bytes(png())
    entry, other = shards.index_shard(f'{root}/0.tar', PICTURES).entries
    assert (entry.name, entry.label, other.label) == ('a.png', 3, 4)
    (tmp_path / 'list.txt').write_text(f'0.tar#{entry.offset}+{entry.size} 3\nfile.png 5\n')
    shards.write_fingerprints(tmp_path / 'list.txt', [
        ('0.tar', shards.fingerprint(f'{root}/0.tar'))])
    assert shards.fingerprint(f'{root}/0.tar') == shards.fingerprint(str(tmp_path / '0.tar'))
    dataset = DATASETS.build(dict(
        type='amd_mm.PictureDataset', ann_file=f'{root}/list.txt', data_prefix=root,
        pipeline=[dict(type='amd_mm.LoadPicture')]))
    asked.clear()
    loader = torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=2)
    one, two = loader
    assert (one['gt_label'], two['gt_label']) == (3, 5)
    assert (one['img'] == two['img']).all() and one['img'].shape == (30, 20, 3)
    # One request for what the sample takes, not the shard.
    assert sorted(asked) == [('GET', '/0.tar', f'bytes=0-{511 + entry.size}'),
                             ('GET', '/file.png', None)]
    with pytest.raises(FileError, match=r'none\.png does not exist'):
        read_bytes(f'{root}/none.png')
    with pytest.raises(FileError, match=r'closed\.png may not be read by this user$'):
        read_bytes(f'{root}/closed.png')
    with pytest.raises(FileError, match=r'its server sends whole files alone'):
        read_bytes(f'{root}/whole/0.tar#512+9')
    (tmp_path / '0.tar').write_bytes(packed() + bytes(512))
    with pytest.raises(ValueError, match=r'/0\.tar changed since it was indexed'):
        DATASETS.build(dict(type='amd_mm.PictureDataset', ann_file=f'{root}/list.txt',
                            data_prefix=root, pipeline=[]))


def test_checkpoints(storage):
    weights = dict(state_dict={'w': torch.arange(5.)}, meta=dict(epoch=3))
    save_checkpoint(weights, f'{storage}/run/epoch_3.pth')
    for found in (CheckpointLoader.load_checkpoint(f'{storage}/run/epoch_3.pth')['state_dict'],
                  read_checkpoint(f'{storage}/run/epoch_3.pth').state_dict):
        assert torch.equal(found['w'], torch.arange(5.))


def test_videos_alone_and_in_a_shard_are_those_of_a_disk(storage, tmp_path):
    write_video(tmp_path / 'a.mp4', 12)
    with tarfile.open(tmp_path / '0.tar', 'w') as tar:
        tar.add(tmp_path / 'a.mp4', 'a.mp4')
    root = f'{storage}/videos'
    for name in ('a.mp4', '0.tar'):
        BACKEND.put((tmp_path / name).read_bytes(), f'{root}/{name}')
    entry = shards.index_shard(f'{root}/0.tar', VIDEOS).entries[0]
    BACKEND.put_text(f'a.mp4 1\n0.tar#{entry.offset}+{entry.size} 2\n', f'{root}/list.txt')
    BACKEND.put_text(f'{shards.fingerprint(f"{root}/0.tar")} 0.tar\n', f'{root}/list.txt.shards')
    steps = [dict(type='amd_mm.PyAVInit'),
             dict(type='amd_mm.SampleStridedClips', clip_len=4, frame_interval=2, num_clips=1),
             dict(type='amd_mm.PyAVDecode')]
    remote = DATASETS.build(dict(
        type='amd_mm.VideoDataset', ann_file=f'{root}/list.txt', data_prefix=dict(video=root),
        pipeline=steps, test_mode=True))
    local = DATASETS.build(dict(
        type='amd_mm.VideoDataset', data_prefix=dict(video=str(tmp_path)), pipeline=steps,
        test_mode=True))[0]
    for sample in torch.utils.data.DataLoader(remote, batch_size=None, num_workers=1):
        assert len(sample['imgs']) == 4
        assert all((one == other).all() for one, other in zip(
            sample['imgs'], local['imgs'], strict=True))


def test_a_run_keeps_its_checkpoints_there_and_goes_on_from_them(storage, tmp_path):
    folder = f'{storage}/runs'
    hook = dict(type='amd_mm.WholeCheckpointHook', interval=1, max_keep_ckpts=1)
    whole, stored = (toy_config(tmp_path / name, checkpoint=dict(hook, **out)) for name, out in (
        ('whole', {}), ('run', dict(out_dir=folder))))
    run(whole)
    runner = build_training_runner(stored)
    runner.register_hook(EndHook())
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert list(BACKEND.list_dir_or_file(f'{folder}/run')) == ['epoch_1.pth']
    stored.update(resume=True, load_from=f'{folder}/run/epoch_1.pth', experiment_name='rest')
    run(stored)
    # The last one alone is kept, there too.
    assert list(BACKEND.list_dir_or_file(f'{folder}/run')) == ['epoch_2.pth']
    found = read_checkpoint(f'{folder}/run/epoch_2.pth').state_dict
    torch.testing.assert_close(dict(found), weights(whole, 'epoch_2.pth'), rtol=0, atol=0)


class EndHook(Hook):
    """Ends a run in its second epoch."""

    def before_train_epoch(self, runner) -> None:
        if runner.epoch == 1:
            raise KeyboardInterrupt


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
