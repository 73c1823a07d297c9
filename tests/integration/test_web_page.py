"""The page of examples/web in a headless Chromium, against onnxruntime in Python."""
import json
import runpy
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue

import clips
import numpy as np
import onnxruntime
import pytest
from PIL import Image
from recipes import CONFIGS
from tuned import OWN_VIDEOS, fine_tuned

from amd_mm.export import Options, convert_checkpoint

EXAMPLE = CONFIGS.parent / 'examples/web'
PAGE = Path(__file__).parents[1] / 'helpers/web_page.html'
CLASSES = ('rock & roll', 'two', 'three')
MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or (
    shutil.which('google-chrome'))


@pytest.fixture(scope='module')
def student(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('student')
    fine_tuned(OWN_VIDEOS, folder, CLASSES)
    convert_checkpoint(folder / 'last.pth', folder / 'student.onnx', Options(
        'onnx', num_heads=3, tubelet=2, source_frames=4, source_size=32))
    (folder / 'classes.txt').write_text('\n'.join(CLASSES))
    return folder / 'student.onnx'


def build(*arguments) -> dict:
    module = runpy.run_path(str(EXAMPLE / 'build.py'))
    module['build'](*arguments)
    return module


def served(site: Path, answers: Queue) -> ThreadingHTTPServer:
    class Handler(SimpleHTTPRequestHandler):
        # Not every system knows the type of modules.
        extensions_map = {**SimpleHTTPRequestHandler.extensions_map, '.mjs': 'text/javascript'}

        def do_POST(self) -> None:  # noqa: N802
            answers.put(json.loads(self.rfile.read(int(self.headers['Content-Length']))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(Handler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def in_python(session: onnxruntime.InferenceSession, pixels: np.ndarray) -> np.ndarray:
    """Scores of (T, H, W, 3) uint8."""
    clip = ((pixels - MEAN) / STD).transpose(3, 0, 1, 2)[None].astype(np.float32)
    logits, = session.run(None, {session.get_inputs()[0].name: clip})
    powers = np.exp(logits[0] - logits.max())
    return powers / powers.sum()


def rgb(pixels: list) -> np.ndarray:
    """(T, 32, 32, 3) of RGBA bytes."""
    return np.array(pixels, np.uint8).reshape(-1, 32, 32, 4)[..., :3]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason='needs chromium')
@pytest.mark.skipif(shutil.which('npm') is None, reason='needs npm, for onnxruntime-web')
def test_a_browser_says_what_python_says(student, tmp_path):
    site = tmp_path / 'site'
    build(student, site, student.with_name('classes.txt'), .1)
    frames = np.random.default_rng(0).integers(256, size=(4, 32, 32, 3), dtype=np.uint8)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(site / f'frame{number}.png')
    clips.write_video(site / 'clip.mp4', 12, size=(64, 48))
    shutil.copy(PAGE, site / 'test.html')
    answers: Queue = Queue()
    server = served(site, answers)
    browser = subprocess.Popen(
        [CHROMIUM, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
         f'--user-data-dir={tmp_path / "profile"}',
         f'http://127.0.0.1:{server.server_port}/test.html'],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        answer = answers.get(timeout=120)
    finally:
        browser.kill()
        browser.wait()
        server.shutdown()
    assert 'error' not in answer, answer['error']
    session = onnxruntime.InferenceSession(str(student), providers=['CPUExecutionProvider'])
    # Pictures arrive as they are, and so does what is made of them.
    assert (rgb(answer['pngs']['pixels']) == frames).all()
    np.testing.assert_allclose(
        np.reshape(answer['pngs']['data'], (3, 4, 32, 32)),
        ((frames - MEAN) / STD).transpose(3, 0, 1, 2), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(answer['pngs']['scores'], in_python(session, frames), atol=1e-5)
    # A video as this browser decodes it: 12 frames at 10 a second, windows of 4, every 2.
    windows = answer['windows']
    assert [window['start'] for window in windows] == pytest.approx([0, .2, .4, .6, .8])
    for place, window in enumerate(windows):
        pixels = rgb(window['pixels'])
        levels = pixels.mean((1, 2, 3))
        assert levels == pytest.approx([4 * (2 * place + number) for number in range(4)], abs=2.5)
        np.testing.assert_allclose(window['scores'], in_python(session, pixels), atol=1e-3)
    # The page itself gives the same, by its worker.
    page = answer['page']
    assert page['state'] == 'done: 5 windows' and page['inked']
    assert sorted(page['legend']) == sorted(CLASSES)
    np.testing.assert_allclose([point['scores'] for point in page['points']],
                               [window['scores'] for window in windows], atol=1e-6)
    assert answer['missing']['state'] == (
        'error: no.mp4 must be a video beside the page, but the server says 404')
    assert answer['broken']['state'].startswith('error: this browser cannot play the video')


def test_wrong_files_are_refused_before_anything_is_written(student, tmp_path):
    (tmp_path / 'few.txt').write_text('one')
    for arguments, message in (
            ((tmp_path / 'no.onnx', tmp_path / 'site', None, .1), 'must be an .onnx file'),
            ((student, tmp_path / 'site', tmp_path / 'few.txt', .1),
             'few.txt: must name all 3 classes, but names 1')):
        with pytest.raises(ValueError, match=message):
            build(*arguments)
    assert not (tmp_path / 'site').exists()


def test_the_int8_file_is_taken_where_there_is_one(student, tmp_path):
    module = runpy.run_path(str(EXAMPLE / 'build.py'))
    facts = module['facts_of'](student, student.with_name('classes.txt'), .2)
    assert (facts['frames'], facts['rows'], facts['columns'], facts['video']) == (4, 32, 32, True)
    assert facts['classes'] == list(CLASSES) and facts['seconds_between'] == .2
    shutil.copy(student, tmp_path / 'a.onnx')
    shutil.copy(student, tmp_path / 'a.int8.onnx')
    module['build'].__globals__['fetch_runtime'] = lambda: (_ for _ in ()).throw(ValueError('npm'))
    with pytest.raises(ValueError, match='npm'):
        module['build'](tmp_path / 'a.onnx', tmp_path / 'site', None, .1)
