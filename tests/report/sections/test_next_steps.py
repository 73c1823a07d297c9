"""What comes next."""
from amd_mm.report import Record, read_scalars
from amd_mm.report.sections import next_steps


def test_commands_and_the_encoder(tmp_path):
    record = Record(tmp_path)
    assert next_steps.show(record, read_scalars(tmp_path)) == ''
    record.write('next', dict(file='e.safetensors', bytes=2_500_000, update=1200,
                              commands=[['Then:', "python a 'b c'"]]))
    html = next_steps.show(record, read_scalars(tmp_path))
    assert '<a href="../e.safetensors">e.safetensors</a> (2.5 MB)' in html and '1,200' in html
    assert '<p>Then:</p><pre>python a &#x27;b c&#x27;</pre>' in html
