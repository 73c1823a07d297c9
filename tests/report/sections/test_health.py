"""Figures of the representation over time."""
from amd_mm.report import Record, read_scalars
from amd_mm.report.sections.health import show


def test_figures_and_neighbours_are_curves(tmp_path):
    record = Record(tmp_path)
    assert show(record, read_scalars(tmp_path)) == ''
    for update, rank in ((1, 10.), (2, 20.)):
        record.add_point('health', update, dict(
            patch_std=.5, sample_std=.4, effective_rank=rank, width=96, samples=16,
            cka={'teacher 3, student 2': .9}))
        record.add_point('neighbours', update, dict(top1=.75, files=8, classes=4, folder='a<b'))
    html = show(record, read_scalars(tmp_path))
    assert 'Of 16 samples' in html and '>effective rank, of 96</text>' in html
    assert html.count('<svg') == 4 and 'chance (4 classes)' in html
    assert 'points="66.0,200.0 410.0,26.0"' in html
    assert '8 files of a&lt;b' in html
