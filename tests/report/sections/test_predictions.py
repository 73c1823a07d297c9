"""Confusions in numbers, accuracies, mistakes."""
from told_runs import PIXEL

from amd_mm.report import Record, read_scalars
from amd_mm.report.sections.predictions import show


def told(tmp_path, pairs, classes=()) -> str:
    record = Record(tmp_path)
    record.write_picture('a.jpg', PIXEL)
    record.write('predictions', dict(
        update=12, classes=classes, pairs=pairs,
        mistakes=[dict(label=0, answer=1, score=.9, name='x<y.png', picture='a.jpg')]))
    return show(record, read_scalars(tmp_path))


def test_a_small_matrix_has_its_numbers(tmp_path):
    html = told(tmp_path, [(0, 0, 6), (0, 1, 2), (1, 1, 2)], ['cat', '<dog>'])
    assert 'at update 12: 8 of 10 right (80.0%); chance of 2 classes is 50.0%.' in html
    assert ('<th scope="row">cat<td style="background:rgba(31,111,180,0.49)">6'
            '<td style="background:rgba(209,98,43,0.16)">2') in html
    # The worst class first.
    assert html.index('cat<td>75.0%<td>6 of 8') < html.index('&lt;dog&gt;<td>100.0%<td>2 of 2')
    assert 'cat, taken for &lt;dog&gt; (90%) x&lt;y.png</figcaption>' in html


def test_many_classes_are_listed_by_their_confusions(tmp_path):
    html = told(tmp_path, [(n, n, 5) for n in range(60)] + [(7, 3, 4), (9, 8, 6)])
    assert '60 classes are too many for a matrix' in html and 'class="matrix"' not in html
    assert html.index('9<td>8<td>6') < html.index('7<td>3<td>4')
    assert 'The 20 worst of 60 classes.' in html


def test_without_a_validation_there_is_nothing(tmp_path):
    assert show(Record(tmp_path), read_scalars(tmp_path)) == ''
