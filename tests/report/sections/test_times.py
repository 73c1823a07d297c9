"""Time, throughput, cost."""
from told_runs import tell_pretraining

from amd_mm.report import Record, read_scalars
from amd_mm.report.sections.times import show, spent


def test_a_logged_time_stands_for_the_updates_before_it():
    assert spent([(10, 2.), (20, 4.)]) == 60


def test_cost_so_far_and_to_go(tmp_path):
    record = tell_pretraining(tmp_path)
    html = show(record, read_scalars(tmp_path))
    assert '<th scope="row">training so far<td>60 seconds' in html
    # 20 updates of 3 seconds, the mean of late.
    assert '<th scope="row">to go<td>60 seconds, if it goes on as it does' in html
    assert '<th scope="row">device hours<td>0.0333 so far, 0.0333 to go (2 processes)' in html
    assert '<th scope="row">operations<td>4.16 TFLOP so far, 4.16 TFLOP to go' in html
    assert '<th scope="row">this page<td>0.6 seconds, 1.00% of training' in html
    assert 'share of an update by part' not in html


def test_parts_are_shares(tmp_path):
    record = tell_pretraining(tmp_path)
    record.write('times', dict(updates=2, seconds=10., parts=dict(data=1., student=4., rest=5.)))
    html = show(record, read_scalars(tmp_path))
    assert '>10 %</text>' in html and '>40 %</text>' in html and 'measured in 2 updates' in html
    record.write('times', dict(updates=2, seconds=10., parts=dict(backward=4., rest=6.)))
    assert '>forward, rest</text>' in show(record, read_scalars(tmp_path))
    record.write('times', dict(reason='Compiled.'))
    assert '<p>Compiled.</p>' in show(record, read_scalars(tmp_path))


def test_without_times_there_is_nothing(tmp_path):
    assert show(Record(tmp_path), read_scalars(tmp_path)) == ''
