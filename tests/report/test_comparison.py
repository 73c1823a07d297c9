"""Several runs side by side."""
import pytest
from told_runs import PIXEL, log, tell_pretraining

from amd_mm.report import write_comparison, write_curves


@pytest.fixture
def runs(tmp_path):
    record = tell_pretraining(tmp_path / 'a')
    record.write_picture('s.jpg', PIXEL)
    record.add_point('reconstructions', 20, dict(picture='s.jpg', text=''))
    log(tmp_path / 'b', [dict(loss=9., iter=30, step=30), dict(acc=.5, step=1)])
    return [tmp_path / 'a', tmp_path / 'b']


def test_facts_stand_beside_each_other_and_curves_share_a_chart(runs, tmp_path):
    write_comparison(runs, tmp_path / 'page.html')
    page = (tmp_path / 'page.html').read_text()
    assert '<h1>a, b</h1>' in page
    assert '<th scope="row">updates<td>20 of 40<td><tr>' in page
    assert '<th scope="row">last loss<td>3<td>9<tr>' in page
    assert '<th scope="row">last acc<td><td>0.5' in page
    assert 'alt="reconstruction of a"' in page
    # loss and nothing else was logged by both.
    assert page.count('&#9632; a</span>') == page.count('&#9632; b</span>') == 1


def test_curves_alone_on_a_page_and_in_a_table(runs, tmp_path):
    write_comparison(runs, tmp_path / 'page.html', ['acc', 'loss'])
    page = (tmp_path / 'page.html').read_text()
    assert page.count('<svg') == 2 and '<h2 id="runs">' not in page
    write_curves(runs, tmp_path / 'a.csv', ['loss'])
    assert (tmp_path / 'a.csv').read_text().splitlines()[1:] == [
        'a,loss,10,3.0', 'a,loss,20,3.0', 'b,loss,30,9.0']


def test_runs_of_one_name_are_told_apart_by_their_path(runs, tmp_path):
    tell_pretraining(tmp_path / 'c/a')
    both = [str(runs[0]), str(tmp_path / 'c/a')]
    write_comparison(both, tmp_path / 'page.html', ['loss'])
    assert all(f'&#9632; {path}</span>' in (tmp_path / 'page.html').read_text() for path in both)


def test_what_was_never_logged_is_named_with_what_was(runs, tmp_path):
    with pytest.raises(ValueError, match='got los; these are: acc, clips_per_second, data_time'):
        write_comparison(runs, tmp_path / 'page.html', ['los'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='empty: a run must have logged something'):
        write_curves([tmp_path / 'empty'], tmp_path / 'a.csv')
