"""The first and the last batch."""
from told_runs import PIXEL

from amd_mm.report import Record, read_scalars
from amd_mm.report.sections import batches


def test_both_batches(tmp_path):
    record = Record(tmp_path)
    assert batches.show(record, read_scalars(tmp_path)) == ''
    record.write_picture('a.jpg', PIXEL)
    for name in ('first', 'last'):
        record.write(f'{name}_batch', dict(picture='a.jpg', title=f'{name} batch', text='x<y'))
    html = batches.show(record, read_scalars(tmp_path))
    assert html.index('first batch') < html.index('last batch') and html.count('x&lt;y') == 2
