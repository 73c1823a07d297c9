"""Shards become a list that our data sets read; what was indexed is not read twice."""
import io
import json
import re
import runpy
import tarfile
from pathlib import Path

import pytest

from amd_mm.datasets import PictureDataset
from amd_mm.datasets.reading import read_bytes

tool = runpy.run_path(str(Path(__file__).parents[2] / 'tools/data/index_shards.py'))


def pack(shard, members):
    with tarfile.open(shard, 'w') as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def run(*arguments):
    return tool['main']([str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'my shards').mkdir()
    for number in range(3):
        pack(tmp_path / f'my shards/s-{number}.tar', {
            'a.png': b'a%d' % number, 'a.cls': b'%d' % number, 'b.png': b'bb', 'b.cls': b'5',
            'b.json': b'{}'})
    return tmp_path


def test_a_list_of_shards(folder, capsys):
    assert run(folder / 'my shards', '--out', folder / 'list.txt', '--workers', 2) == 0
    assert (folder / 'list.txt').read_text() == ''.join(
        f's-{number}.tar#512+2 {number}\ns-{number}.tar#2560+2 5\n' for number in range(3))
    assert (f'3 shards: 6 pictures, 4 classes -> {folder}/list.txt; 3 other members left out; '
            f'data_prefix: {folder}/my shards/') in capsys.readouterr().out
    assert not (folder / 'list.txt.part').exists()
    dataset = PictureDataset(
        ann_file=str(folder / 'list.txt'), data_prefix=str(folder / 'my shards'))
    infos = [dataset.get_data_info(number) for number in range(6)]
    assert [info['gt_label'] for info in infos] == [0, 5, 1, 5, 2, 5]
    assert [read_bytes(info['img_path']) for info in infos] == [b'a0', b'bb', b'a1', b'bb', b'a2',
                                                               b'bb']


def test_what_was_indexed_is_kept(folder, capsys):
    (folder / 'my shards/s-3.tar').write_bytes(b'\x1f\x8b' + bytes(2000))
    assert run(folder / 'my shards', '--out', folder / 'list.txt', '--workers', 1) == 2
    assert 's-3.tar is compressed (gzip); unpack it' in capsys.readouterr().err
    part = folder / 'list.txt.part'
    kept = [json.loads(line) for line in part.read_text().splitlines()]
    assert [Path(name).name for name, *_ in kept] == ['s-0.tar', 's-1.tar', 's-2.tar']
    # Marked, to see that the first is not read again; the second changes and is; the last is half.
    kept[0][2][0][3] = 8
    part.write_text(''.join(json.dumps(line) + '\n' for line in kept[:2]) + '["half')
    pack(folder / 'my shards/s-1.tar', {'c.png': b'ccc', 'c.cls': b'3'})
    pack(folder / 'my shards/s-3.tar', {'d.png': b'd', 'd.cls': b'4'})
    assert run(folder / 'my shards', '--out', folder / 'list.txt') == 0
    assert (folder / 'list.txt').read_text().splitlines() == [
        's-0.tar#512+2 8', 's-0.tar#2560+2 5', 's-1.tar#512+3 3', 's-2.tar#512+2 2',
        's-2.tar#2560+2 5', 's-3.tar#512+1 4']


@pytest.mark.parametrize('arguments,message', [
    (['nowhere'], r'nowhere: there must be at least one shard \(.tar\), found none'),
    (['list.gz'], 'must be a plain tar whose name ends in .tar, got .*list.gz; unpack'),
    (['my shards/*.tar', 'other.tar'], 'shards lie in 2 folders, .*give --root'),
    (['my shards', '--kind', 'videos'], 'shards must hold videos, but 3 hold none; --kind'),
    (['my shards', 'other.tar', '--root', '.'], 'have labels .* or none, but 1 of 4 have none'),
])
def test_what_cannot_be_listed(folder, arguments, message, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    pack(folder / 'other.tar', {'x.png': b'x'})
    (folder / 'list.gz').touch()
    if '--root' in arguments:
        arguments = [str(folder / word) for word in arguments[:2]] + ['--root', str(folder)]
    assert run(*arguments, '--out', folder / 'out.txt', '--workers', 1) == 2

    assert re.search(message, capsys.readouterr().err)
    assert not (folder / 'out.txt').exists()
