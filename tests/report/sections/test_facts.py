"""What was trained, in tables."""
import re

from told_runs import tell_pretraining

from amd_mm.report import Record, read_scalars
from amd_mm.report.sections.facts import show


def cells(html: str) -> list[list[str]]:
    """Rows of tables as text."""
    return [re.sub('<[^>]*>', '|', row).strip('|').split('|') for row in re.split('<tr>', html)[1:]]


def test_parameters_operations_and_tokens(tmp_path):
    html = show(tell_pretraining(tmp_path), read_scalars(tmp_path))
    rows = cells(html)
    assert ['student', '1,000', '900', '1'] in rows and ['teacher', '5,000', '0', '3'] in rows
    assert ['backward', '', '', '2'] in rows and ['heads and losses', '', '', '0.5'] in rows
    assert not any(row[0] == 'mask' for row in rows)
    assert ['updates', '40', '20 (50%)'] in rows
    assert ['inputs', '32 an update', '640'] in rows
    assert ['tokens seen by the student', '16 an input', '10.2 k'] in rows
    assert '3 of 100 samples since the start were bad: 3 is empty; bad_samples.txt lists' in html
    assert 'the &lt;student&gt;' in html


def test_a_run_that_told_nothing_has_no_such_part(tmp_path):
    assert show(Record(tmp_path), read_scalars(tmp_path)) == ''
