import os

import pytest
from mmengine.registry import DATASETS


def build(**settings):
    return DATASETS.build(dict(type='amd_mm.VideoDataset', pipeline=[], **settings))


def samples(dataset):
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    return [(info['filename'], info['label']) for info in infos]


def test_list_with_spaces(tmp_path):
    (tmp_path / 'a list.txt').write_text('some dir/a b.mp4 3\nc.mp4 0\n')
    dataset = build(
        ann_file='a list.txt', data_root=str(tmp_path), data_prefix=dict(video='videos'))
    assert samples(dataset) == [
        (f'{tmp_path}/videos/some dir/a b.mp4', 3), (f'{tmp_path}/videos/c.mp4', 0)]
    info = dataset.get_data_info(0)
    assert (info['start_index'], info['modality']) == (0, 'RGB')


def test_list_without_labels(tmp_path):
    (tmp_path / 'list.txt').write_text('a b.mp4\nc.mp4\n')
    dataset = build(ann_file=str(tmp_path / 'list.txt'), data_prefix=dict(video='/v'))
    assert samples(dataset) == [('/v/a b.mp4', -1), ('/v/c.mp4', -1)]


def test_several_labels(tmp_path):
    (tmp_path / 'list.txt').write_text('a b.mp4 0 2\n')
    dataset = build(ann_file=str(tmp_path / 'list.txt'), multi_class=True, num_classes=4)
    assert samples(dataset)[0][1].tolist() == [1, 0, 1, 0]


def test_folder_is_searched_in_depth_and_sorted(tmp_path):
    for name in ('b.MP4', 'a dir/z.webm', 'a dir/deep/x.avi', 'notes.txt', 'a dir/x.jpg'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = [os.path.relpath(path, tmp_path)
             for path, label in samples(build(data_prefix=dict(video=str(tmp_path))))]
    assert names == ['a dir/deep/x.avi', 'a dir/z.webm', 'b.MP4']


@pytest.mark.parametrize('settings,message', [
    (dict(data_prefix=dict(video='nowhere')), "needs ann_file or a folder .* 'nowhere'"),
    (dict(), 'needs ann_file or a folder'),
    (dict(data_prefix=dict(video='.'), need_labels=True), 'must not need labels'),
])
def test_folder_that_cannot_be_used(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)


@pytest.mark.parametrize('ann_file', ['', 'list.txt'])
def test_data_prefix_of_another_data_set(tmp_path, ann_file):
    (tmp_path / 'list.txt').write_text('a.mp4 1\n')
    with pytest.raises(ValueError, match=r"must have the key 'video', got .*'img'.*dict\(video="):
        build(ann_file=ann_file, data_root=str(tmp_path), data_prefix=dict(img='videos'))


def test_folder_without_videos(tmp_path):
    (tmp_path / 'notes.txt').touch()
    with pytest.raises(ValueError, match='at least one file ending in .*[.]mp4'):
        build(data_prefix=dict(video=str(tmp_path)))


def test_line_of_a_raw_frame_list_is_too_long(tmp_path):
    (tmp_path / 'list.txt').write_text('a b.mp4 1\nc.mp4 120 1\n')
    with pytest.raises(ValueError, match='list.txt:2: .* a number more, "120"'):
        build(ann_file=str(tmp_path / 'list.txt'))


def test_misspelt_argument_is_refused(tmp_path):
    with pytest.raises(TypeError, match='num_class'):
        build(data_prefix=dict(video=str(tmp_path)), num_class=3)


@pytest.mark.parametrize('kind', ['VideoDataset', 'RawframeDataset'])
def test_several_labels_need_the_number_of_classes(kind):
    with pytest.raises(ValueError, match=f'num_classes of {kind} must be given with multi_class'):
        DATASETS.build(dict(
            type=f'amd_mm.{kind}', ann_file='a.txt', pipeline=[], multi_class=True))
