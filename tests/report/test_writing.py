"""The page of a run, from its record alone."""
from told_runs import tell_pretraining

from amd_mm.report import Record, write_report


def test_sections_that_know_something_are_there_in_order(tmp_path):
    tell_pretraining(tmp_path / 'run').write('failures', {'Health: neighbours': 'no <file>'})
    path = write_report(tmp_path / 'run')
    page = path.read_text()
    assert path == tmp_path / 'run/report/index.html'
    assert '<h1>run, update 20</h1>' in page
    starts = '<div', '<p>Of late', '<p>Not shown: no &lt;'
    places = [page.index(f'</h2>{start}') for start in starts]
    assert places == sorted(places) and '<h2 id="predictions">' not in page


def test_a_record_of_another_version_spoils_its_own_part_alone(tmp_path):
    record = tell_pretraining(tmp_path)
    record.write('facts', dict(header={}))
    page = write_report(tmp_path, tmp_path / 'a.html').read_text()
    assert 'Not shown: KeyError' in page and 'losses by part' in page
    assert not Record(tmp_path).page.exists()


def test_a_run_without_a_record_shows_its_curves(tmp_path):
    tell_pretraining(tmp_path).clear()
    page = write_report(tmp_path).read_text()
    assert f'<h1>{tmp_path.name}</h1>' in page and 'losses by part' in page
