import pytest

from amd_mm.compat import FIXES, __main__
from amd_mm.compat.fix import Fix


def test_table_has_a_line_for_every_fix(capsys: pytest.CaptureFixture[str]) -> None:
    import mmengine
    import numpy
    assert __main__.main() == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split('  ')[0] == 'fix'
    assert [line.split()[0] for line in lines] == [fix.name for fix in FIXES]
    for fix, line in zip(FIXES, lines, strict=True):
        assert fix.link in line
    rows = {line.split()[0]: line for line in lines}
    assert f'numpy {numpy.__version__}' in rows['numpy-aliases']
    assert f'mmengine {mmengine.__version__}' in rows['mmengine-amd-mm-configs']
    assert '  yes  ' in rows['mmengine-amd-mm-configs']
    assert '  no  ' in rows['mmaction-mmcv-limit']


def make_fix(host: str, trigger: str) -> Fix:
    return Fix(name='toy', host=host, trigger=trigger, fill=print, symptom='s', affected='a',
               link='https://example.org')


def test_absent_and_broken_hosts_have_a_line() -> None:
    assert __main__.table_row(make_fix('no_such_host', 'no_such_host'))[1:4] == (
        'no_such_host absent', '-', 'nothing to mend')
    assert __main__.table_row(make_fix('numpy', 'numpy.no_such_part'))[1:4] == (
        'numpy fails', '-', "ModuleNotFoundError: No module named 'numpy.no_such_part'")
