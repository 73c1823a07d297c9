"""Pictures of several checkpoints."""
from told_runs import PIXEL

from amd_mm.report import Record, read_scalars
from amd_mm.report.sections import pictures


def test_pictures_stand_under_their_updates(tmp_path):
    record = Record(tmp_path)
    curves = read_scalars(tmp_path)
    assert pictures.show_reconstructions(record, curves) == ''
    for update in (5, 1000):
        record.write_picture(f'{update}.jpg', PIXEL)
        record.add_point('reconstructions', update, dict(picture=f'{update}.jpg', text='a & b'))
    html = pictures.show_reconstructions(record, curves)
    assert html.startswith('<p>a &amp; b</p>') and html.count('src="data:image/jpeg;base64,') == 2
    assert html.index('<h3>Update 5</h3><img') < html.index('<h3>Update 1,000</h3><img')
