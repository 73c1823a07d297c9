import json

import numpy as np
import pytest

from amd_mm.inference import FileEnd, Journal


def rows(*starts: int) -> tuple[list[tuple[float, float]], np.ndarray]:
    times = [(start, start + .5) for start in starts]
    return times, np.array([[start, -start] for start in starts])


def test_rows_come_back_by_file(tmp_path):
    journal = Journal(tmp_path / 'new', (2, ), dict(a=1))
    journal.add(*rows(0, 1, 2), [FileEnd(2, None, ['short'])])
    journal.add(*rows(3), [FileEnd(2, 'broken', []), FileEnd(4, None, [])])
    assert journal.ends == [
        FileEnd(2, None, ['short']), FileEnd(2, 'broken', []), FileEnd(4, None, [])]
    first, second, third = map(journal.rows_of, range(3))
    assert first['start'].tolist() == [0, 1] and first['end'].tolist() == [.5, 1.5]
    assert third['values'].tolist() == [[2, -2], [3, -3]] and len(second) == 0


def test_what_no_progress_counts_is_cut_off(tmp_path):
    journal = Journal(tmp_path, (2, ), {})
    journal.add(*rows(0, 1), [FileEnd(1, None, [])])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    journal.add(*rows(2, 3), [FileEnd(3, None, [])])
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    journal.close()
    # Killed after half of a row, or after all but the last word.
    for name in ('rows.bin', 'files.jsonl'):
        (tmp_path / name).write_bytes(after[name][:-5])
    (tmp_path / 'progress.json').write_bytes(before['progress.json'])
    again = Journal(tmp_path, (2, ), {})
    assert again.num_rows == 2 and again.ends == [FileEnd(1, None, [])]
    again.add(*rows(2, 3), [FileEnd(3, None, [])])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == after
    again.discard()
    assert not tmp_path.exists()


def test_other_settings_do_not_mix(tmp_path):
    Journal(tmp_path, (2, ), dict(a=1)).add(*rows(0), [])
    for shape, settings in (((3, ), dict(a=1)), ((2, ), dict(a=2))):
        with pytest.raises(ValueError, match='must be of the same checkpoint, settings and inputs'):
            Journal(tmp_path, shape, settings)
    assert json.loads((tmp_path / 'progress.json').read_text())['rows'] == 1
