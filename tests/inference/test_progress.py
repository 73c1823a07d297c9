import io
from pathlib import Path

from amd_mm.inference import FileEnd, Line, Progress, list_failed


def test_a_line_only_where_somebody_looks(monkeypatch):
    line = Line([Path('a/film.mp4'), Path('b.mp4')])
    shown = io.StringIO()
    monkeypatch.setattr('sys.stderr', shown)
    line(Progress(0, 3725.9))
    assert shown.getvalue() == ''
    shown.isatty = lambda: True
    line(Progress(0, 3725.9))
    assert shown.getvalue() == '\r\033[K[1/2] film.mp4 1:02:05\r'


def test_bad_files_are_listed(tmp_path):
    path = tmp_path / 'failed.txt'
    ends = [FileEnd(1, 'a.mp4: is\nno video', []), FileEnd(2, None, ['note']), FileEnd(2, 'b', [])]
    assert list_failed(path, ends) == 2
    assert path.read_text() == 'a.mp4: is\\nno video\nb\n'
    assert list_failed(path, ends[1:2]) == 0 and not path.exists()
