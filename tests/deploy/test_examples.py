"""The examples, each where nothing can be imported but its runtime, numpy, Pillow and PyAV."""
import subprocess
import sys

import numpy as np
import pytest
from clips import write_video
from exports import CLASSES, ROOT, tuned_checkpoint
from transfer import make_pictures
from tuned import OWN_IMAGES, OWN_VIDEOS

from amd_mm.deploy import Form, Trial, Wish, export, read_subject
from amd_mm.deploy.sources import run_torch, stack
from amd_mm.deploy.subject import Exported

RUNTIMES = dict(onnx='onnxruntime', openvino='openvino', pt2='torch')
# A process that has none of these.
ALONE = '''
import runpy, sys
blocked = set(sys.argv.pop(1).split(','))
class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *rest):
        return None if name.partition('.')[0] in blocked else self.finder.find_spec(name, *rest)
sys.meta_path[:] = map(Without, sys.meta_path)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
'''
OTHERS = ['amd_mm', 'mmengine', 'mmcv', 'mmpretrain', 'mmaction', 'mmdet', 'mmseg', 'cv2',
          'torchvision', 'timm', 'transformers', 'decord', 'scipy', 'onnx', *RUNTIMES.values()]


def run_example(target: str, *words) -> str:
    blocked = ','.join(name for name in OTHERS if name != RUNTIMES[target])
    path = ROOT / f'examples/deploy/run_{RUNTIMES[target]}.py'
    done = subprocess.run([sys.executable, '-c', ALONE, blocked, str(path), *map(str, words)],
                          capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(('target', 'name'), [
    ('onnx', OWN_VIDEOS), ('onnx', OWN_IMAGES), ('openvino', OWN_VIDEOS), ('pt2', OWN_VIDEOS)])
def test_a_video_or_a_picture(target, name, tmp_path):
    # Each decoder has its way to make RGB of colours; grey is grey.
    path = (write_video(tmp_path / 'grey.mp4', 32) if name == OWN_VIDEOS
            else make_pictures(tmp_path / 'data') / 'val/first/0.png')
    subject = read_subject(tuned_checkpoint(name, tmp_path)[0], Wish())
    export(subject, Form(target), Trial([path]), tmp_path / 'out')
    want = run_torch(Exported(subject, True).eval(),
                     subject.inputs(stack(subject, [path])[0], True))[0]
    lines = run_example(target, tmp_path / 'out', path).splitlines()
    found = {line.split()[1]: float(line.split()[0]) for line in lines}
    assert [line.split()[1] for line in lines] == [
        CLASSES[label] for label in want.argsort()[::-1]]
    np.testing.assert_allclose([found[name] for name in CLASSES], want, atol=1e-3)


@pytest.mark.parametrize('name', RUNTIMES.values())
def test_it_is_short(name):
    assert len((ROOT / f'examples/deploy/run_{name}.py').read_text().splitlines()) <= 40
