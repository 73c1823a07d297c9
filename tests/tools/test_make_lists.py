"""Official split files become lists of mmaction2, and what is wrong with them is said."""
import json
import runpy
from pathlib import Path

import pytest
import transfer
from clips import write_video

from amd_mm.datasets import VideoDataset

SCRIPT = Path(__file__).parents[2] / 'tools/data/make_lists.py'
tool = runpy.run_path(str(SCRIPT))


def run(*arguments: object) -> None:
    tool['main']([str(argument) for argument in arguments])


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def ucf101(folder: Path) -> Path:
    folder.mkdir()
    (folder / 'classInd.txt').write_text('1 ApplyEyeMakeup\n2 Archery\n')
    for split in '123':
        (folder / f'trainlist0{split}.txt').write_text(
            f'ApplyEyeMakeup/v_ApplyEyeMakeup_g0{split}_c01.avi 1\n'
            f'Archery/v_Archery_g0{split}_c01.avi 2\n')
        (folder / f'testlist0{split}.txt').write_text(f'Archery/v_Archery_g0{split}_c02.avi\n')
    return folder


def test_ucf101(tmp_path: Path, capsys) -> None:
    run('ucf101', ucf101(tmp_path / 'splits'), '--out', tmp_path)
    assert lines(tmp_path / 'ucf101_train_split_2_videos.txt') == [
        'ApplyEyeMakeup/v_ApplyEyeMakeup_g02_c01.avi 0', 'Archery/v_Archery_g02_c01.avi 1']
    assert lines(tmp_path / 'ucf101_val_split_3_videos.txt') == ['Archery/v_Archery_g03_c02.avi 1']
    assert lines(tmp_path / 'classes.txt') == ['ApplyEyeMakeup', 'Archery']
    said = capsys.readouterr().out
    assert 'ucf101_train_split_1: 2 samples, 2 classes (published: 9537; -9535)' in said
    assert 'ucf101_val_split_3: 1 samples, 1 classes (published: 3696; -3695)' in said


def test_hmdb51(tmp_path: Path) -> None:
    folder = tmp_path / 'splits'
    folder.mkdir()
    for name in ('wave', 'brush_hair'):
        for split in '123':
            (folder / f'{name}_test_split{split}.txt').write_text(
                f'{name} a#{split}.avi 1 \n{name}_b.avi 2 \n{name}_c.avi 0 \n')
    run('hmdb51', folder, '--out', tmp_path)
    assert lines(tmp_path / 'hmdb51_train_split_3_videos.txt') == [
        'brush_hair/brush_hair a#3.avi 0', 'wave/wave a#3.avi 1']
    assert lines(tmp_path / 'hmdb51_val_split_1_videos.txt') == [
        'brush_hair/brush_hair_b.avi 0', 'wave/wave_b.avi 1']
    (folder / 'wave_test_split2.txt').unlink()
    with pytest.raises(ValueError, match='wave_test_split2.txt is missing'):
        run('hmdb51', folder, '--out', tmp_path)


def test_sthv2(tmp_path: Path) -> None:
    (tmp_path / 'labels.json').write_text(json.dumps(
        {'Holding something next to something': '1', 'Approaching something': '0'}))
    item = dict(id='78687', label='holding potato next to vicks vaporub bottle',
                template='Holding [something] next to [something]')
    (tmp_path / 'train.json').write_text(json.dumps([item]))
    (tmp_path / 'val.json').write_text(json.dumps([dict(item, id='9')]))
    files = [tmp_path / f'{name}.json' for name in ('labels', 'train', 'val')]
    run('sthv2', *files, '--out', tmp_path)
    assert lines(tmp_path / 'sthv2_train_list_videos.txt') == ['78687.webm 1']
    assert lines(tmp_path / 'sthv2_val_list_videos.txt') == ['9.webm 1']
    assert lines(tmp_path / 'classes.txt')[1] == 'Holding something next to something'
    (tmp_path / 'val.json').write_text(json.dumps([dict(item, template='Dropping [something]')]))
    with pytest.raises(ValueError, match="val.json: 'Dropping something' is not in the class list"):
        run('sthv2', *files, '--out', tmp_path)


def test_released_lists(tmp_path: Path) -> None:
    (tmp_path / 'train.csv').write_text('/old/k400/a b/one.mp4 3\n/old/k400/two.mp4 0\n')
    run('released', tmp_path / 'train.csv', '--out', tmp_path / 'kinetics400_train.txt',
        '--strip', '/old/k400')
    assert lines(tmp_path / 'kinetics400_train.txt') == ['a b/one.mp4 3', 'two.mp4 0']
    for columns, options in (('90 7', ()), ('7 90', ('--label-first', ))):
        (tmp_path / 'frames.csv').write_text(f'old/x {columns}\n')
        run('released', tmp_path / 'frames.csv', '--out', tmp_path / 'frames.txt', '--frames',
            *options)
        assert lines(tmp_path / 'frames.txt') == ['old/x 90 7']


def test_where_paths_start_from(tmp_path: Path) -> None:
    (tmp_path / 'list.csv').write_text('/x/y/a.mp4 3\n')
    arguments = ('released', tmp_path / 'list.csv', '--out', tmp_path / 'out.txt')
    with pytest.raises(ValueError, match='list.csv:1: .*got "/x/y/a.mp4"; .*--strip FOLDER'):
        run(*arguments)
    for strip, path in (('/x', 'y/a.mp4'), ('/x/', 'y/a.mp4'), ('/', 'x/y/a.mp4'),
                        ('', '/x/y/a.mp4')):
        run(*arguments, '--strip', strip)
        assert lines(tmp_path / 'out.txt') == [f'{path} 3']
    with pytest.raises(ValueError, match="list.csv:1: a path must start with '/x/', got '/xyz/a"):
        (tmp_path / 'list.csv').write_text('/xyz/a.mp4 3\n')
        run(*arguments, '--strip', '/x/')


@pytest.mark.parametrize(('text', 'options', 'words'), [
    ('a.mp4 400\n', ('--num-classes', 400), r'a label must be in \[0, 400\), got 400'),
    ('a.mp4 -1\n', (), 'a label must be in .*got -1'),
    ('a.mp4\n', (), 'a line must be "path label", got "a.mp4"'),
    ('a.mp4 1\n', ('--strip', '/old'), "a path must start with '/old', got 'a.mp4'"),
    ('a 0 5\n', ('--frames', ), 'at least one frame, got 0'),
    ('a 1\n', ('--label-first', ), '--label-first is about lists of frames'),
])
def test_lines_that_do_not_fit(text: str, options: tuple, words: str, tmp_path: Path) -> None:
    (tmp_path / 'list.csv').write_text(text)
    with pytest.raises(ValueError, match=words):
        run('released', tmp_path / 'list.csv', '--out', tmp_path / 'out.txt', *options)
    assert not (tmp_path / 'out.txt').exists()


def test_missing_videos_are_counted_listed_and_stop(tmp_path: Path, capsys) -> None:
    splits = ucf101(tmp_path / 'splits')
    videos = tmp_path / 'videos'
    for split in '123':
        for name in ('ApplyEyeMakeup/v_ApplyEyeMakeup', 'Archery/v_Archery'):
            path = videos / f'{name}_g0{split}_c01.avi'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (videos / f'Archery/v_Archery_g0{split}_c02.avi').touch()
    gone = 'ApplyEyeMakeup/v_ApplyEyeMakeup_g02_c01.avi'
    (videos / gone).unlink()
    arguments = ('ucf101', splits, '--out', tmp_path / 'out', '--videos', videos)
    with pytest.raises(ValueError, match=f'1 of 2 files are missing in .*{gone}.*--allow-missing'):
        run(*arguments)
    assert lines(tmp_path / 'out/ucf101_train_split_2_videos.missing.txt') == [gone]
    assert not list((tmp_path / 'out').glob('*_videos.txt'))
    run(*arguments, '--allow-missing')
    assert lines(tmp_path / 'out/ucf101_train_split_2_videos.txt') == [
        'Archery/v_Archery_g02_c01.avi 1']
    assert '1 of 2 files are missing' in capsys.readouterr().out


class TestFolders:

    def test_every_class_is_in_both_lists(self, tmp_path: Path) -> None:
        root = tmp_path / 'videos'
        for name, count in (('wave', 10), ('a b', 2)):
            for number in range(count):
                path = root / name / f'{number}.MP4'
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            (root / name / 'notes.txt').touch()
        run('folders', root, '--out', tmp_path)
        train, val = lines(tmp_path / 'train.txt'), lines(tmp_path / 'val.txt')
        assert (len(train), len(val)) == (9, 3)
        assert sorted(train + val) == sorted([f'wave/{number}.MP4 1' for number in range(10)]
                                             + [f'a b/{number}.MP4 0' for number in range(2)])
        assert lines(tmp_path / 'classes.txt') == ['a b', 'wave']
        run('folders', root, '--out', tmp_path / 'again')
        assert lines(tmp_path / 'again' / 'val.txt') == val
        run('folders', root, '--out', tmp_path / 'other', '--seed', 1)
        assert lines(tmp_path / 'other' / 'val.txt') != val
        # And the data set reads them, spaces and all.
        data = VideoDataset([], str(tmp_path / 'val.txt'), dict(video=str(root)), need_labels=True,
                            num_classes=2)
        assert sorted(info['label'] for info in map(data.get_data_info, range(3))) == [0, 1, 1]

    def test_what_is_no_sample_is_left_out_and_counted(self, tmp_path: Path, capsys) -> None:
        root = tmp_path / 'videos'
        for name in ('b/1.mp4', 'b/2.MTS', 'b/._1.mp4', 'b/dir.mp4/3.vob', '.hid/1.mp4', 'b/x.txt',
                     'a/1.mp4', 'a/caf\udce9\n.mp4'):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        (root / 'b' / 'loop').symlink_to(root)
        run('folders', root, '--out', tmp_path, '--val', .5)
        assert sorted(lines(tmp_path / 'train.txt') + lines(tmp_path / 'val.txt')) == [
            r'"a/caf\xe9\n.mp4" 0', 'a/1.mp4 0', 'b/1.mp4 1', 'b/2.MTS 1', 'b/dir.mp4/3.vob 1']
        assert lines(tmp_path / 'classes.txt') == ['a', 'b']
        assert (f'{root}: 5 videos; left out: 2 hidden (.hid, b/._1.mp4), 1 link loops (b/loop), '
                '1 of other kinds (1 .txt)\n') in capsys.readouterr().out
        part = 'train' if 'caf' in (tmp_path / 'train.txt').read_text() else 'val'
        data = VideoDataset([], str(tmp_path / f'{part}.txt'), dict(video=str(root)))
        names = [data.get_data_info(number)['filename'] for number in range(len(data))]
        assert f'{root}/a/caf\udce9\n.mp4' in names

    def test_broken_and_short_ones_are_listed_apart(self, tmp_path: Path, capsys) -> None:
        root = tmp_path / 'videos'
        (root / 'a').mkdir(parents=True)
        for name, frames in (('1', 20), ('2', 20), ('short\n', 5)):
            write_video(root / f'a/{name}.mp4', frames)
        (root / 'a/broken\udce9.mp4').write_bytes(b'no video')
        run('folders', root, '--out', tmp_path, '--check', '--workers', 0)
        assert sorted(lines(tmp_path / 'train.txt') + lines(tmp_path / 'val.txt')) == [
            'a/1.mp4 0', 'a/2.mp4 0']
        assert lines(tmp_path / 'short.txt') == [
            'a/short\\n.mp4\thas 5 frames, fewer than 16']
        broken, = lines(tmp_path / 'broken.txt')
        assert broken.startswith(r'a/broken\xe9.mp4' + '\t')
        assert '1 of 4 videos are broken; left out' in capsys.readouterr().out
        (tmp_path / 'list.csv').write_text('a/1.mp4 0\n"a/short\\n.mp4" 0\n')
        run('released', tmp_path / 'list.csv', '--out', tmp_path / 'some.txt', '--videos', root,
            '--check', '--min-frames', 6, '--workers', 0)
        assert lines(tmp_path / 'some.txt') == ['a/1.mp4 0']
        assert len(lines(tmp_path / 'some.short.txt')) == 1
        assert not (tmp_path / 'some.broken.txt').exists()

    def test_an_empty_class_folder(self, tmp_path: Path) -> None:
        videos = tmp_path / 'videos'
        (videos / 'wave').mkdir(parents=True)
        with pytest.raises(ValueError, match='every class folder must hold .* 1 hold none: wave'):
            run('folders', videos, '--out', tmp_path)
        (videos / 'wave' / 'one.mp4').touch()
        with pytest.raises(ValueError, match='wave: a class must have at least 2 samples.*found 1'):
            run('folders', videos, '--out', tmp_path)
        with pytest.raises(ValueError, match='must be in .0, 1., got 1.5'):
            run('folders', videos, '--out', tmp_path, '--val', 1.5)


def test_own_videos_from_folders_to_confusion_matrix(tmp_path: Path) -> None:
    """The documented recipe, on real clips."""
    videos = tmp_path / 'videos'
    for name in ('clean', 'noisy'):
        (videos / name).mkdir(parents=True)
    for path in (tmp_path / 'all').iterdir() if transfer.make_videos(tmp_path / 'all') else ():
        if path.name.startswith('real'):
            for copy in 'ab':
                kind = 'clean' if '0' in path.name else 'noisy'
                (videos / kind / f'{copy}.mp4').symlink_to(path)
    run('folders', videos, '--out', tmp_path, '--val', .5)
    name = 'vit-small-p16_k400-amd-pre_b8-16x4x1-50e_own-videos-rgb'
    cfg = transfer.small(name, tmp_path / 'run', transfer.make_student(
        tmp_path / 'student.pth', 'video'))
    for part, dataset in transfer.datasets(cfg).items():
        dataset.update(ann_file=str(tmp_path / f'{"train" if part == "train" else "val"}.txt'),
                       data_prefix=dict(video=str(videos)),
                       metainfo=dict(classes=str(tmp_path / 'classes.txt')))
    _, metrics, top1 = transfer.train_and_test(cfg)
    counts = metrics['confusion_matrix/result']
    assert counts.sum(1).tolist() == [1, 1] and counts.trace() == 2 * top1
