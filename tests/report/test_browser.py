"""A page in a real browser."""
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import pytest
from told_runs import PIXEL, tell_pretraining

from amd_mm.report import write_comparison, write_report

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))),
                None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason='no Chromium is installed')


def look_at(page: Path, width: int, tmp_path: Path) -> tuple[str, str]:
    """What a page is when it is loaded, and what the browser's console said."""
    result = subprocess.run([
        str(CHROMIUM), '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
        f'--user-data-dir={tmp_path / "browser"}', '--enable-logging=stderr', '--v=0',
        f'--window-size={width},900', '--virtual-time-budget=3000', '--dump-dom', page.as_uri()],
        text=True, capture_output=True, timeout=120)
    assert result.returncode == 0, result.stderr
    console = '\n'.join(line for line in result.stderr.splitlines() if 'CONSOLE' in line)
    return result.stdout, console


def measured(page: Path, path: Path) -> Path:
    """A copy that says in its title how wide it is and which pictures were not loaded."""
    text = page.read_text()
    path.write_text(text.replace('</html>', (
        '<script>onload = () => {document.title = [document.documentElement.scrollWidth, '
        'innerWidth, [...document.images].filter(x => !x.naturalWidth).length].join(" ")}</script>'
        '</html>')))
    return path


@pytest.fixture
def pages(tmp_path) -> list[Path]:
    """Of a run, and of two side by side."""
    record = tell_pretraining(tmp_path / 'a', raw=True, rec=.01)
    _, jpeg = cv2.imencode('.jpg', cv2.UMat(90, 640, cv2.CV_8UC3).get())
    record.write_picture('s.jpg', jpeg.tobytes())
    record.add_point('reconstructions', 20, dict(picture='s.jpg', text='A strip.'))
    record.write('next', dict(commands=[['Then:', 'python ' + 100 * 'word ']]))
    names = [f'class {number}' for number in range(20)]
    record.write('predictions', dict(update=1, classes=names, mistakes=[], pairs=[
        (label, answer, 100) for label in range(20) for answer in range(20)]))
    tell_pretraining(tmp_path / 'b')
    write_comparison([tmp_path / 'a', tmp_path / 'b'], tmp_path / 'both.html')
    return [write_report(tmp_path / 'a'), tmp_path / 'both.html']


@pytest.mark.parametrize('width', [500, 1400])
def test_it_loads_without_an_error_and_fits_the_window(pages, width, tmp_path):
    for page in pages:
        dom, console = look_at(measured(page, tmp_path / 'measured.html'), width, tmp_path)
        assert console == ''
        title = re.search('<title>([^<]*)</title>', dom)
        assert title is not None
        whole, window, broken = map(int, title[1].split())
        assert whole <= window and broken == 0


def test_a_page_with_an_error_would_be_noticed(tmp_path):
    page = tmp_path / 'page.html'
    page.write_text('<link rel="icon" href="data:,"><img src="data:image/jpeg;base64,'
                    f'{PIXEL.hex()}"><script>nothing.there()</script></html>')
    dom, console = look_at(measured(page, tmp_path / 'measured.html'), 500, tmp_path)
    assert 'nothing is not defined' in console and ' 1</title>' in dom
