"""The page of examples/web in a headless Chromium, against onnxruntime in Python."""
import json
import re
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
import onnx
import onnxruntime
import pytest
from exports import tuned_checkpoint
from PIL import Image
from recipes import CONFIGS
from tuned import OWN_VIDEOS, fine_tuned

from amd_mm.deploy import Form, Trial, Wish, export, read_subject
from amd_mm.export import Options, convert_checkpoint

EXAMPLE = CONFIGS.parent / 'examples/web'
PAGE = Path(__file__).parents[1] / 'helpers/web_page.html'
CLASSES = ('rock & roll', 'two', 'three')
MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or (
    shutil.which('google-chrome'))


# Of what a browser says to what Python says on the same pixels; of int8 the sums of another
# processor round other steps.
TOLERANCES = {'float': 1e-3, 'int8': 1e-2}


@pytest.fixture(scope='module')
def student(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('student')
    fine_tuned(OWN_VIDEOS, folder, CLASSES)
    convert_checkpoint(folder / 'last.pth', folder / 'student.onnx', Options(
        'onnx', num_heads=3, tubelet=2, source_frames=4, source_size=32))
    (folder / 'classes.txt').write_text('\n'.join(CLASSES))
    return folder / 'student.onnx'


@pytest.fixture(scope='module')
def int8_student(tmp_path_factory) -> Path:
    """As ``tools/export.py --int8`` writes it: it takes bytes, and has the names of its classes."""
    folder = tmp_path_factory.mktemp('int8')
    subject = read_subject(tuned_checkpoint(OWN_VIDEOS, folder, CLASSES)[0], Wish())
    files = [clips.REAL / name for name in ('carphone_pristine.mp4', 'bikes.mp4')]
    export(subject, Form('onnx', 'int8'), Trial(files, files, max_drop=100), folder / 'out')
    return folder / 'out/model.onnx'


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
    pixels_input = session.get_inputs()[0]
    if pixels_input.type == 'tensor(uint8)':
        return session.run(None, {pixels_input.name: pixels[None]})[0][0]
    clip = ((pixels - MEAN) / STD).transpose(3, 0, 1, 2)[None].astype(np.float32)
    logits, = session.run(None, {pixels_input.name: clip})
    powers = np.exp(logits[0] - logits.max())
    return powers / powers.sum()


def rgb(pixels: list) -> np.ndarray:
    """(T, 32, 32, 3) of RGBA bytes."""
    return np.array(pixels, np.uint8).reshape(-1, 32, 32, 4)[..., :3]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason='needs chromium')
@pytest.mark.skipif(shutil.which('npm') is None, reason='needs npm, for onnxruntime-web')
@pytest.mark.parametrize('precision', TOLERANCES)
def test_a_browser_says_what_python_says(precision, request, tmp_path):
    site, tolerance = tmp_path / 'site', TOLERANCES[precision]
    is_float = precision == 'float'
    student = request.getfixturevalue('student' if is_float else 'int8_student')
    build(student, site, student.with_name('classes.txt') if is_float else None, .1)
    frames = np.random.default_rng(0).integers(256, size=(4, 32, 32, 3), dtype=np.uint8)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(site / f'frame{number}.png')
    clips.write_video(site / 'clip.mp4', 12, size=(64, 48))
    shutil.copy(PAGE, site / 'test.html')
    # What the camera films: grey, again and again.
    camera = b'YUV4MPEG2 W64 H48 F20:1 Ip C420jpeg\n' + 20 * (
        b'FRAME\n' + 64 * 48 * bytes([100]) + 2 * 32 * 24 * bytes([128]))
    (tmp_path / 'camera.y4m').write_bytes(camera)
    answers: Queue = Queue()
    server = served(site, answers)
    browser = subprocess.Popen(
        [CHROMIUM, '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
         f'--user-data-dir={tmp_path / "profile"}', '--use-fake-ui-for-media-stream',
         '--use-fake-device-for-media-stream',
         f'--use-file-for-fake-video-capture={tmp_path / "camera.y4m"}',
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
    if is_float:
        np.testing.assert_allclose(
            np.reshape(answer['pngs']['data'], (3, 4, 32, 32)),
            ((frames - MEAN) / STD).transpose(3, 0, 1, 2), rtol=1e-5, atol=1e-5)
    # What networks take whose preprocessing is in them.
    assert answer['pngs']['bytes'] == frames.ravel().tolist()
    np.testing.assert_allclose(answer['pngs']['scores'], in_python(session, frames),
                               atol=1e-5 if is_float else tolerance)
    # A video as this browser decodes it: 12 frames at 10 a second, windows of 4, every 2.
    windows = answer['windows']
    assert [window['start'] for window in windows] == pytest.approx([0, .2, .4, .6, .8])
    for place, window in enumerate(windows):
        pixels = rgb(window['pixels'])
        levels = pixels.mean((1, 2, 3))
        assert levels == pytest.approx([4 * (2 * place + number) for number in range(4)], abs=2.5)
        np.testing.assert_allclose(window['scores'], in_python(session, pixels),
                                   atol=tolerance)
    # The page itself gives the same, by its worker.
    page = answer['page']
    assert page['state'] == 'done: 5 windows' and page['inked']
    assert sorted(page['legend']) == sorted(CLASSES)
    np.testing.assert_allclose([point['scores'] for point in page['points']],
                               [window['scores'] for window in windows], atol=1e-6)
    # The camera's windows are all the same picture; frames that came meanwhile are counted.
    camera = answer['camera']
    assert camera['stopped'] == 'stopped'
    assert re.fullmatch(r'[\d.]+ s(, \d+ frames dropped)?', camera['shown'])
    picture = rgb(camera['pixels'])
    assert np.ptp(picture) == 0 and 80 < picture.mean() < 120
    wanted = in_python(session, np.repeat(picture, 4, 0))
    assert len(camera['points']) >= 4
    for point in camera['points']:
        np.testing.assert_allclose(point['scores'], wanted, atol=tolerance)
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


def test_a_network_with_its_preprocessing_in_it(tmp_path):
    """It takes bytes with channels last, and gives shares of 1."""
    make, kinds = onnx.helper, onnx.TensorProto
    graph = make.make_graph(
        [make.make_node('Cast', ['pixels'], ['real'], to=kinds.FLOAT),
         make.make_node('ReduceMean', ['real', 'axes'], ['mean'], keepdims=0),
         make.make_node('Softmax', ['mean'], ['scores'])],
        'tiny', [make.make_tensor_value_info('pixels', kinds.UINT8, ['batch', 4, 8, 6, 3])],
        [make.make_tensor_value_info('scores', kinds.FLOAT, ['batch', 3])],
        [make.make_tensor('axes', kinds.INT64, [3], [1, 2, 3])])
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid('', 18)], ir_version=8),
              tmp_path / 'a.onnx')
    facts = runpy.run_path(str(EXAMPLE / 'build.py'))['facts_of'](tmp_path / 'a.onnx', None, .1)
    said = {name: facts[name] for name in ('type', 'last', 'logits', 'frames', 'rows', 'columns')}
    assert said == dict(type='uint8', last=True, logits=False, frames=4, rows=8, columns=6)


def test_the_int8_file_is_taken_where_there_is_one(student, tmp_path):
    module = runpy.run_path(str(EXAMPLE / 'build.py'))
    facts = module['facts_of'](student, student.with_name('classes.txt'), .2)
    assert (facts['frames'], facts['rows'], facts['columns'], facts['video']) == (4, 32, 32, True)
    assert (facts['type'], facts['last'], facts['logits']) == ('float32', False, True)
    assert facts['classes'] == list(CLASSES) and facts['seconds_between'] == .2
    shutil.copy(student, tmp_path / 'a.onnx')
    shutil.copy(student, tmp_path / 'a.int8.onnx')
    module['build'].__globals__['fetch_runtime'] = lambda: (_ for _ in ()).throw(ValueError('npm'))
    with pytest.raises(ValueError, match='npm'):
        module['build'](tmp_path / 'a.onnx', tmp_path / 'site', None, .1)
