import pytest
from mmengine.registry import DATASETS


@pytest.fixture
def folder(tmp_path):
    """Folders of 5 and 7 frames."""
    for name, count in (('a clip', 5), ('78687', 7)):
        (tmp_path / name).mkdir()
        for number in range(1, count + 1):
            (tmp_path / name / f'img_{number:05}.jpg').touch()
    return tmp_path


def build(folder, text, **settings):
    (folder / 'list.txt').write_text(text)
    return DATASETS.build(dict(dict(
        type='amd_mm.RawframeDataset', ann_file=str(folder / 'list.txt'), pipeline=[],
        data_prefix=dict(img=str(folder))), **settings))


def test_list_with_spaces(folder):
    dataset = build(folder, 'a clip 5 3\n78687 7 0\ngone 9 1\n')
    infos = [dataset.get_data_info(index) for index in range(3)]
    assert [(info['frame_dir'], info['total_frames'], info['label']) for info in infos] == [
        (f'{folder}/a clip', 5, 3), (f'{folder}/78687', 7, 0), (f'{folder}/gone', 9, 1)]
    assert infos[0]['filename_tmpl'] == 'img_{:05}.jpg' and infos[0]['start_index'] == 1


def test_list_without_labels_and_with_offset(folder):
    info = build(folder, 'a clip 5\n78687 7\n').get_data_info(1)
    assert (info['total_frames'], info['label']) == (7, -1)
    info = build(folder, '78687 2 5 1\n', with_offset=True).get_data_info(0)
    assert (info['offset'], info['total_frames'], info['label']) == (2, 5, 1)


@pytest.mark.parametrize('text,message', [
    ('a clip 5 3\n78687 8 0\n', 'list.txt:2: total_frames is 8, but .*78687 lacks its last'),
    # Label and count the other way round, as the documentation of the released code has it:
    # whether the label is larger or smaller than the count.
    ('78687 100 7\n', 'list.txt:1: the frame count must stand before the label'),
    ('a clip 3 5\n', 'list.txt:1: .* holds 5 frames, not 3; swap'),
    ('a clip 5 3\n78687 0 0\n', 'list.txt:2: total_frames must be at least 1'),
    ('78687 4 7 0\n', 'list.txt:1: a line has too many fields'),
    ('a clip\n', 'list.txt:1: .*too few fields'),
])
def test_wrong_lines_are_named(folder, text, message):
    with pytest.raises(ValueError, match=message):
        build(folder, text)


def test_fewer_frames_than_the_folder_holds_are_fine(folder):
    assert build(folder, '78687 4 6\n').get_data_info(0)['total_frames'] == 4


def test_offset_counts(folder):
    with pytest.raises(ValueError, match='total_frames is 6'):
        build(folder, '78687 2 6 1\n', with_offset=True)


def test_a_prefix_of_another_kind_is_refused(folder):
    with pytest.raises(ValueError, match="must have the key 'img', got {'video': 'there'}; write"):
        build(folder, 'a clip 5\n', data_prefix=dict(video='there'))
