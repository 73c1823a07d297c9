"""Members of tar shards are read as the files that they were, and shards that changed are not."""
import io
import os
import pickle
import tarfile

import numpy as np
import pytest
import torch
from clips import REAL, write_video
from mmengine.registry import DATASETS
from PIL import Image

from amd_mm.datasets import EpochSampler, shards
from amd_mm.datasets.files import PICTURES, VIDEOS
from amd_mm.datasets.reading import read_bytes


def pack(shard, members):
    with tarfile.open(shard, 'w') as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return shard


def write_list(folder, kind, names, labelled=True):
    lines = [f'{name}#{entry.offset}+{entry.size}' + f' {entry.label}' * labelled
             for name in names
             for entry in shards.index_shard(str(folder / name), kind).entries]
    (folder / 'list.txt').write_text('\n'.join(lines))
    shards.write_fingerprints(
        folder / 'list.txt', [(name, shards.fingerprint(str(folder / name))) for name in names])


def png(level):
    stream = io.BytesIO()
    noise = np.random.default_rng(level).integers(0, 256, (9 + level, 13, 3), np.uint8)
    Image.fromarray(noise).save(stream, 'png')
    return stream.getvalue()


@pytest.fixture
def pictures(tmp_path):
    """Two shards of three pictures, and the same pictures as files."""
    (tmp_path / 'files').mkdir()
    for shard in range(2):
        members = {}
        for number in range(3):
            content = png(3 * shard + number)
            (tmp_path / 'files' / f'{shard}{number}.png').write_bytes(content)
            members |= {f'a/{number}.png': content, f'a/{number}.cls': b'%d\n' % number,
                        f'a/{number}.json': b'{}'}
        pack(tmp_path / f'{shard}.tar', members)
    write_list(tmp_path, PICTURES, ['0.tar', '1.tar'])
    names = [f'{shard}{number}.png {number}' for shard in range(2) for number in range(3)]
    (tmp_path / 'files.txt').write_text('\n'.join(names))
    return tmp_path


def loaded(dataset, start):
    """All a loader gives of two epochs, from a step on."""
    sampler = EpochSampler(dataset, shuffle=True, seed=5)
    found = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        loader = torch.utils.data.DataLoader(
            dataset, 2, sampler=sampler, num_workers=2, collate_fn=list)
        found += [sample for batch in loader for repeats in batch for sample in repeats]
    return found[start:]


def test_pictures_of_shards_are_those_of_files(pictures):
    def keyed(ann_file, prefix):
        return DATASETS.build(dict(
            type='amd_mm.KeyedDataset', num_repeats=2,
            dataset=dict(type='amd_mm.PictureDataset', ann_file=str(pictures / ann_file),
                         data_prefix=str(pictures / prefix),
                         pipeline=[dict(type='amd_mm.LoadPicture')]),
            pipeline=[dict(type='mmpretrain.RandomResizedCrop', scale=8),
                      dict(type='mmpretrain.PackInputs')]))

    ours = loaded(keyed('list.txt', ''), 0)
    theirs = loaded(keyed('files.txt', 'files'), 0)
    assert len(ours) == len(theirs) == 24
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one['inputs'], other['inputs'])
        assert one['data_samples'].sample_key == other['data_samples'].sample_key
        assert one['data_samples'].gt_label == other['data_samples'].gt_label


@pytest.mark.parametrize('decoder', ['PyAV', 'Decord', 'OpenCV'])
def test_videos_of_shards_are_those_of_files(tmp_path, decoder, monkeypatch):
    made = write_video(tmp_path / 'made.mp4', 20)
    pack(tmp_path / 'v.tar', {'a.mp4': made.read_bytes(), 'a.cls': b'4', 'b.x.mp4':
                              (REAL / 'bikes.mp4').read_bytes(), 'b.cls': b'7'})
    write_list(tmp_path, VIDEOS, ['v.tar'])
    (tmp_path / 'files.txt').write_text(f'{made} 4\n{REAL / "bikes.mp4"} 7\n')
    (tmp_path / 'temporary').mkdir()
    monkeypatch.setenv('TMPDIR', str(tmp_path / 'temporary'))

    def frames(ann_file):
        dataset = DATASETS.build(dict(
            type='amd_mm.VideoDataset', ann_file=str(tmp_path / ann_file),
            data_prefix=dict(video=str(tmp_path)), pipeline=[
                dict(type=f'amd_mm.{decoder}Init'),
                dict(type='mmaction.SampleFrames', clip_len=3, frame_interval=4, test_mode=True),
                dict(type=f'amd_mm.{decoder}Decode')]))
        return [dataset[number] for number in range(2)]

    for one, other in zip(frames('list.txt'), frames('files.txt'), strict=True):
        assert one['label'] == other['label']
        assert (one['total_frames'], one['avg_fps']) == (other['total_frames'], other['avg_fps'])
        assert np.array_equal(one['imgs'], other['imgs'])
    assert not os.listdir(tmp_path / 'temporary')


def test_a_shard_is_opened_once_a_process(pictures, monkeypatch):
    opened = []
    monkeypatch.setattr(shards.os, 'open', lambda path, flags, real=os.open: (
        opened.append(path), real(path, flags))[1])
    shards._open_shard.cache_clear()
    for line in (pictures / 'list.txt').read_text().split('\n'):
        read_bytes(f'{pictures}/{line.split(" ")[0]}')
    assert opened == [f'{pictures}/0.tar', f'{pictures}/1.tar']


def test_a_shard_that_changed_is_refused_by_name(pictures):
    shards._open_shard.cache_clear()
    members = [f'{pictures}/{line.split(" ")[0]}'
               for line in (pictures / 'list.txt').read_text().split('\n')]

    def build():
        DATASETS.build(dict(type='amd_mm.PictureDataset', ann_file=str(pictures / 'list.txt'),
                            data_prefix=str(pictures), pipeline=[]))

    build()
    pack(pictures / '1.tar', {'b.png': png(9), 'b.cls': b'1'})
    shards._open_shard.cache_clear()
    with pytest.raises(ValueError, match=r'1 of 2 are not: \S+/1.tar changed since .*index_shards'):
        build()
    with pytest.raises(OSError, match=r'/1.tar has no file of \d+ bytes at \d+: it changed since'):
        read_bytes(members[4])
    assert read_bytes(members[1]) == png(1)
    (pictures / '1.tar').unlink()
    shards._open_shard.cache_clear()
    with pytest.raises(ValueError, match='1.tar does not exist; restore it'):
        build()


@pytest.mark.parametrize('mode', ['w:gz', 'w:bz2', 'w:xz'])
def test_compressed_shards_are_refused(tmp_path, mode):
    with tarfile.open(tmp_path / 'a.tar', mode) as tar:
        tar.addfile(tarfile.TarInfo('a.png'))
    kind = dict(gz='gzip', bz2='bzip2', xz='xz')[mode[2:]]
    with pytest.raises(OSError, match=rf'a.tar is compressed \({kind}\); unpack it to a plain tar'):
        shards.index_shard(str(tmp_path / 'a.tar'), PICTURES)
    with pytest.raises(OSError, match=rf'a.tar is compressed \({kind}\)'):
        read_bytes(f'{tmp_path}/a.tar#512+10')
    with pytest.raises(OSError, match=r'b\.tar\.gz is compressed; unpack'):
        read_bytes(f'{tmp_path}/b.tar.gz#512+10')


@pytest.mark.parametrize('members,message', [
    ({'../a.png': b'1'}, r'a member that leaves the folder, \.\./a\.png'),
    ({'/a.png': b'1'}, 'a member that leaves the folder, /a.png'),
    ({'a.png': b'1', 'a.seg.png': b'2'}, 'two pictures of one key, a.png and a.seg.png; .*--suf'),
    ({'a.png': b'1', 'a.cls': b'0', 'b.png': b'1'}, r'none for 1, such as b\.png'),
    ({'a.png': b'1', 'a.cls': b'cat'}, 'no whole number, a.cls: "cat"'),
])
def test_shards_that_cannot_be_indexed(tmp_path, members, message):
    with pytest.raises(OSError, match=message):
        shards.index_shard(str(pack(tmp_path / 'a.tar', members)), PICTURES)


def test_a_shard_that_is_cut_off_or_none(tmp_path):
    whole = pack(tmp_path / 'a.tar', {'a.png': b'1' * 5000, 'b.png': b'2' * 5000}).read_bytes()
    (tmp_path / 'b.tar').write_bytes(whole[:8000])
    with pytest.raises(OSError, match='b.tar is cut off within b.png; copy it again'):
        shards.index_shard(str(tmp_path / 'b.tar'), PICTURES)
    (tmp_path / 'c.tar').write_bytes(b'<html>' * 200)
    with pytest.raises(OSError, match='c.tar is no whole tar'):
        shards.index_shard(str(tmp_path / 'c.tar'), PICTURES)


def test_one_suffix_of_several(tmp_path):
    shard = pack(tmp_path / 'a.tar', {'a.png': b'11', 'a.seg.png': b'222', 'd/e.f.png': b'3'})
    found = shards.index_shard(str(shard), PICTURES, 'seg.png')
    assert found.entries == [shards.Entry('a.seg.png', 1536, 3, None)] and found.left_out == 2
    assert read_bytes(f'{shard}#1536+3') == b'222'


def test_long_and_odd_names(tmp_path):
    name = 'caf\udce9/' + 'x' * 300 + '.png'
    shard = pack(tmp_path / 'a b.tar', {name: b'content'})
    entry, = shards.index_shard(str(shard), PICTURES).entries
    assert entry.name == name
    assert read_bytes(f'{shard}#{entry.offset}+{entry.size}') == b'content'


def test_errors_travel(tmp_path):
    with pytest.raises(OSError, match='a.tar#0.9 does not exist') as caught:
        read_bytes(f'{tmp_path}/a.tar#0+9')
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
