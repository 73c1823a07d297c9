"""What a run has told, and what of it is kept."""
from amd_mm.report import Record


def test_facts_come_back_and_half_a_file_is_none(tmp_path):
    record = Record(tmp_path)
    record.write('facts', dict(a=[1, 'b']))
    assert Record(tmp_path).read('facts') == dict(a=[1, 'b'])
    (record.folder / 'facts.json').write_text('{"a": [1,')
    assert record.read('facts') == {} and record.read('nothing') == {}
    assert record.picture('nothing.jpg') is None


def test_first_and_latest_points_are_kept_with_their_pictures(tmp_path):
    record = Record(tmp_path)
    for update in (1, 2, 3, 4):
        record.write_picture(f'{update}.jpg', b'x')
        record.add_point('strips', update, dict(picture=f'{update}.jpg'), keep=3)
    assert [point['update'] for point in record.points('strips')] == [1, 3, 4]
    assert sorted(path.name for path in record.folder.glob('*.jpg')) == ['1.jpg', '3.jpg', '4.jpg']


def test_a_run_that_was_taken_up_earlier_forgets_what_came_later(tmp_path):
    record = Record(tmp_path)
    for update, value in ((1, 'a'), (2, 'b'), (3, 'c'), (2, 'd')):
        record.add_point('health', update, dict(value=value))
    assert record.points('health') == [dict(update=1, value='a'), dict(update=2, value='d')]


def test_a_new_run_clears_the_old_one(tmp_path):
    record = Record(tmp_path)
    record.write('facts', {})
    record.page.write_text('page')
    record.clear()
    assert not record.folder.exists() and not record.page.exists()
