"""Pictures of several checkpoints."""
from told_runs import PIXEL

from amd_mm.report import Record, read_scalars
from amd_mm.report.sections import batches, next_steps, pictures


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


def test_both_batches(tmp_path):
    record = Record(tmp_path)
    assert batches.show(record, read_scalars(tmp_path)) == ''
    record.write_picture('a.jpg', PIXEL)
    for name in ('first', 'last'):
        record.write(f'{name}_batch', dict(picture='a.jpg', title=f'{name} batch', text='x<y'))
    html = batches.show(record, read_scalars(tmp_path))
    assert html.index('first batch') < html.index('last batch') and html.count('x&lt;y') == 2


def test_commands_and_the_encoder(tmp_path):
    record = Record(tmp_path)
    assert next_steps.show(record, read_scalars(tmp_path)) == ''
    record.write('next', dict(file='e.safetensors', bytes=2_500_000, update=1200,
                              commands=[['Then:', "python a 'b c'"]]))
    html = next_steps.show(record, read_scalars(tmp_path))
    assert '<a href="../e.safetensors">e.safetensors</a> (2.5 MB)' in html and '1,200' in html
    assert '<p>Then:</p><pre>python a &#x27;b c&#x27;</pre>' in html
