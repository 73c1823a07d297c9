"""Exports of recipes made small, on real pictures and clips, against the hosts' own scores."""
import copy
import ctypes
import gc
import json
import sys

import numpy as np
import pytest
import tiny_vits
import torch
from clips import REAL
from exports import CLASSES, run_export, tuned_checkpoint
from mmengine.config import Config
from PIL import Image
from transfer import make_pictures
from tuned import OWN_IMAGES, OWN_VIDEOS

from amd_mm.deploy import Form, Trial, Wish, export, open_model, read_subject, some_files
from amd_mm.deploy.runtimes import openvino_core
from amd_mm.deploy.sources import run_torch, stack
from amd_mm.deploy.subject import Exported
from amd_mm.deploy.writers import check_form
from amd_mm.inference import Classifier, digest

CLIP = REAL / 'carphone_pristine.mp4'


@pytest.fixture(scope='module')
def recognizer(tmp_path_factory):
    return tuned_checkpoint(OWN_VIDEOS, tmp_path_factory.mktemp('recognizer'))


@pytest.fixture(scope='module')
def classifier(tmp_path_factory):
    folder = tmp_path_factory.mktemp('classifier')
    return *tuned_checkpoint(OWN_IMAGES, folder), make_pictures(folder / 'data')


@pytest.mark.parametrize(('target', 'preprocess'), [
    ('onnx', 'graph'), ('openvino', 'graph'), ('pt2', 'graph'), ('onnx', 'json')])
def test_a_picture_gets_the_hosts_scores(classifier, tmp_path, monkeypatch, target, preprocess):
    checkpoint, config, _, pictures = classifier
    assert run_export(monkeypatch, checkpoint, '--to', target, '--check', pictures, '--out',
                      tmp_path / 'out', '--preprocess', preprocess, '--licence', 'CC0') == 0
    path = pictures / 'val/first/0.png'
    host = Classifier(config, checkpoint)
    model = open_model(tmp_path / 'out')
    # Of the size of the input, so that nothing is resized or cut.
    scores = model.scores(host.view(path))
    np.testing.assert_allclose(scores, host.scores(path), rtol=1e-4, atol=1e-6)
    assert [name for name, _ in model(host.view(path))] == [
        found.name for found in host.top(torch.tensor(scores))]

    said = json.loads((tmp_path / 'out/model.json').read_text())
    assert said['classes'] == list(CLASSES)
    assert said['source'] == dict(name='last.pth', sha256=digest(checkpoint))
    assert said['licence'] == 'CC0'
    assert said['preprocess']['mean'] == pytest.approx([123.675, 116.28, 103.53])
    assert said['preprocess']['short_side'] == 40 and said['preprocess']['crop'] == [32, 32]
    assert said['inputs'][0]['shape'] == ([1, 32, 32, 3] if preprocess == 'graph'
                                          else [1, 3, 32, 32])
    assert said['parity']['equal'] == 1 and said['parity']['inputs'] == 8
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {
        'onnx': {'model.onnx', 'model.json'}, 'pt2': {'model.pt2', 'model.json'},
        'openvino': {'model.xml', 'model.bin', 'model.json'}}[target]


@pytest.mark.parametrize('target', ['onnx', 'openvino', 'pt2'])
def test_a_clip_gets_the_hosts_scores_in_any_batch(recognizer, tmp_path, target, capsys):
    checkpoint, config, _ = recognizer
    subject = read_subject(checkpoint, Wish())
    form = Form(target, dynamic_batch=True)
    export(subject, form, Trial([CLIP, REAL / 'bikes.mp4']), tmp_path / 'out')
    assert 'equal decisions 100.0 % (best class of 2)' in capsys.readouterr().out

    host = Classifier(config, checkpoint)
    (clip, ) = stack(subject, [CLIP])
    np.testing.assert_array_equal(clip[0], host.view(CLIP))
    model = open_model(tmp_path / 'out')
    with torch.no_grad():
        # One view: mmaction2's own forward of what its pipeline gives.
        pixels = torch.tensor(clip).permute(0, 4, 1, 2, 3)
        inputs = host.model.data_preprocessor(dict(inputs=[pixels[0][None]], data_samples=None))
        want = host.model(inputs['inputs'], mode='tensor')
        want = host.model.cls_head(want).softmax(1)[0].numpy()
    np.testing.assert_allclose(model.scores(clip[0]), want, rtol=1e-4, atol=1e-6)
    together = model.run({'pixels': np.concatenate([clip, clip[:, ::-1], clip])})
    np.testing.assert_allclose(together[[0, 2]], np.stack([want, want]), rtol=1e-4, atol=1e-6)
    assert abs(together[1] - want).max() > 1e-3
    preprocess = model.metadata['preprocess']
    assert (preprocess['frames'], preprocess['stride']) == (4, 4)
    said = json.loads(inside(tmp_path / 'out' / model.metadata['file']))
    assert {name: model.metadata[name] for name in said} == said
    assert said['classes'] == list(CLASSES) and said['source']['sha256'] == digest(checkpoint)


def inside(path) -> str:
    """The metadata in a file itself."""
    import onnx

    if path.suffix == '.onnx':
        return {one.key: one.value for one in onnx.load(path).metadata_props}['amd_mm']
    if path.suffix == '.xml':
        return openvino_core().read_model(path).get_rt_info('amd_mm').astype(str)
    files = {'amd_mm': ''}
    torch.export.load(path, extra_files=files)
    return files['amd_mm']


def test_an_encoder_gives_what_its_classifier_sees(recognizer, tmp_path):
    checkpoint, _, model = recognizer
    subject = read_subject(checkpoint, Wish(part='encoder'))
    files = [CLIP, REAL / 'bikes.mp4', REAL / 'bigbuckbunny.mp4']
    found = export(subject, Form('onnx'), Trial(files), tmp_path / 'out')
    assert found.decisions == 'nearest other input of 3'
    (clip, ) = stack(subject, [CLIP])
    values = (torch.tensor(clip).float() - torch.tensor(subject.mean)) / torch.tensor(subject.std)
    with torch.no_grad():
        want = model.backbone(values.permute(0, 4, 1, 2, 3))[0].numpy()
    exported = open_model(tmp_path / 'out')
    np.testing.assert_allclose(exported.scores(clip[0]), want, rtol=1e-3, atol=1e-5)
    with pytest.raises(ValueError, match='must have a classifier to name classes'):
        exported(clip[0])


@pytest.mark.parametrize('modality', ['image', 'video'])
def test_of_pre_training_the_encoder_is_exported(tmp_path, modality):
    model = tiny_vits.pretraining(modality)
    config = Config(dict(model=tiny_vits.pretraining_config(modality)))
    torch.save(dict(meta=dict(cfg=config.pretty_text), state_dict=model.state_dict()),
               tmp_path / 'epoch_1.pth')
    subject = read_subject(tmp_path / 'epoch_1.pth', Wish())
    path = CLIP if modality == 'video' else make_pictures(tmp_path / 'p') / 'val/first/0.png'
    export(subject, Form('onnx'), Trial([path]), tmp_path / 'out')
    (pixels, ) = stack(subject, [path])
    values = (torch.tensor(pixels).float() - torch.tensor(subject.mean)
              ) / torch.tensor(subject.std)
    want = tiny_vits.block_outputs(model.backbone, values.movedim(-1, 1))[-1][0].numpy()
    have = open_model(tmp_path / 'out').scores(pixels[0])
    np.testing.assert_allclose(have, want, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('missing', ['onnx', 'openvino', 'nncf'])
def test_a_runtime_that_is_not_installed_is_named_with_its_extra(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    extra = 'onnx' if missing == 'onnx' else 'openvino'
    with pytest.raises(ValueError, match=rf'needs the package {missing}.*amd-mm\[{extra}\]'):
        check_form(Form(extra, 'int8'))


@pytest.mark.parametrize(('precision', 'target', 'bound'), [
    ('int8', 'onnx', .05), ('int8-dynamic', 'onnx', .05), ('int8', 'openvino', .15),
    ('bfloat16', 'openvino', .02), ('bfloat16', 'pt2', .02)])
def test_other_precisions_are_near(recognizer, tmp_path, capsys, precision, target, bound):
    subject = read_subject(recognizer[0], Wish())
    files = [CLIP, REAL / 'bikes.mp4']
    found = export(subject, Form(target, precision), Trial(files, files, max_drop=100),
                   tmp_path / 'out')
    # It is another computation, and a near one.
    assert 1e-5 < found.largest < bound
    model = open_model(tmp_path / 'out')
    assert model.metadata['precision'] == precision
    (clip, ) = stack(subject, [CLIP])
    exact = open_model(recognizer[0]).scores(clip[0])
    assert np.abs(model.scores(clip[0]) - exact).max() <= found.largest * exact.max() + 1e-6
    assert ('layers by the error' in capsys.readouterr().out) == (
        (precision, target) == ('int8', 'onnx'))


class SignalStack(ctypes.Structure):
    """``stack_t`` of Linux, where a signal's handler runs."""

    _fields_ = [('address', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t)]

    def mapped(self) -> bool:
        ranges = [line.split()[0].split('-') for line in open('/proc/self/maps')]
        return any(int(first, 16) <= self.address < int(last, 16) for first, last in ranges)


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc/self/maps')
def test_after_openvino_a_signal_finds_its_stack(recognizer, tmp_path):
    # Two cores that end in the order of their beginning left a stack that was given back.
    export(read_subject(recognizer[0], Wish()), Form('openvino'), Trial([CLIP]), tmp_path / 'out')
    models = [open_model(tmp_path / 'out') for _ in range(2)]
    while models:
        del models[0]
        gc.collect()
    stack = SignalStack()
    assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack)) == 0
    assert stack.address and stack.mapped()


def test_right_answers_side_by_side_and_none_may_be_lost(recognizer, tmp_path, capsys):
    subject = read_subject(recognizer[0], Wish())
    files = [CLIP, REAL / 'bikes.mp4']
    exact = open_model(recognizer[0])
    labels = [int(exact.scores(one[0]).argmax()) for one in stack(subject, files)]
    trial = Trial(files, files, list(zip(files, labels, strict=True)), max_drop=0)
    export(subject, Form('onnx', 'int8'), trial, tmp_path / 'kept')
    assert 'right of 2: float32 100.00 %, int8 100.00 %' in capsys.readouterr().out

    # A network that rounding ruins: one weight that is a thousand times the others.
    with torch.no_grad():
        for block in subject.network.backbone.blocks:
            block.mlp.layers[1].weight[:, 0] *= 1e5
            block.mlp.layers[0][0].bias[0] = 1e3
    trial = trial._replace(labelled=[
        (file, int(open_answer(subject, file).argmax())) for file in files], max_drop=-1)
    with pytest.raises(ValueError, match='must not lose more than -1 % of right answers'):
        export(subject, Form('onnx', 'int8'), trial, tmp_path / 'refused')
    assert not (tmp_path / 'refused').exists()
    assert [path.name for path in tmp_path.iterdir()] == ['kept']


def open_answer(subject, file):
    (pixels, ) = stack(subject, [file])
    return run_torch(Exported(subject, True).eval(), subject.inputs(pixels, True))


def test_what_cannot_be_exported_is_a_sentence(recognizer, classifier, tmp_path, monkeypatch,
                                               capsys):
    checkpoint, pictures = recognizer[0], classifier[-1]
    out = tmp_path / 'out'
    right = [checkpoint, '--to', 'onnx', '--check', CLIP, '--out', out]
    (tmp_path / 'list.txt').write_text(f'{CLIP} 7\n')
    for words, message in [
            ([*right, '--opset', '11'], 'from 17 (layer norms) to 20 (what torch writes), got 11'),
            ([*right, '--bf16'], 'onnxruntime does not compute in bfloat16'),
            ([*right, '--int8'], 'give --calibrate FOLDER, or take --int8 dynamic'),
            ([checkpoint, '--to', 'pt2', '--check', CLIP, '--out', out, '--int8', 'dynamic'],
             'must be for onnx or openvino'),
            ([checkpoint, '--to', 'onnx', '--out', out], 'give --check FOLDER'),
            ([checkpoint, '--to', 'onnx', '--out', out, '--check', pictures],
             'must hold at least one file'),
            ([*right, '--labelled', tmp_path / 'list.txt'], '[0, 3)'),
            ([*right, '--out', tmp_path / 'no/where'], 'its folder must exist'),
            ([*right, '--int8', 'dynamic', '--leave-float', 'nothing'],
             "must be part of the name of a layer, got 'nothing'"),
            ([*right, '--int8', 'dynamic', '--leave-float', '/'], 'but all are left in float')]:
        assert run_export(monkeypatch, *words) == 2
        assert message in ' '.join(capsys.readouterr().err.split()), words
        assert not out.exists()


def test_pictures_of_other_sizes_are_refused(classifier, tmp_path):
    """Where the test pipeline neither resizes nor cuts them."""
    checkpoint, config, _, pictures = classifier
    config = copy.deepcopy(config)
    dataset = config.test_dataloader.dataset
    dataset.pipeline = [step for step in dataset.pipeline
                        if not step['type'].endswith(('ResizeEdge', 'CenterCrop'))]
    subject = read_subject(checkpoint, Wish(config))
    fits, wide = (tmp_path / name for name in ('fits.png', 'wide.png'))
    for path, columns in ((fits, 32), (wide, 40)):
        Image.new('RGB', (columns, 32)).save(path)
    with pytest.raises(ValueError, match=r'wide.png: must come out as 32 x 32 pixels, as the '
                       'network takes, got 32 x 40: its test pipeline does not crop; leave such'):
        export(subject, Form('onnx', 'int8'), Trial([fits], [fits, wide]), tmp_path / 'out')
    assert {path.name for path in tmp_path.iterdir()} == {'fits.png', 'wide.png'}


def test_an_export_is_replaced_only_by_force_and_only_an_export(recognizer, tmp_path):
    subject = read_subject(recognizer[0], Wish())
    export(subject, Form('onnx'), Trial([CLIP]), tmp_path / 'out')
    with pytest.raises(ValueError, match='Add --force'):
        export(subject, Form('onnx'), Trial([CLIP]), tmp_path / 'out')
    export(subject, Form('pt2'), Trial([CLIP]), tmp_path / 'out', force=True)
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {'model.pt2', 'model.json'}
    (tmp_path / 'out/mine.txt').write_text('')
    with pytest.raises(ValueError, match='holds mine.txt'):
        export(subject, Form('onnx'), Trial([CLIP]), tmp_path / 'out', force=True)


def test_files_are_taken_evenly(recognizer, tmp_path):
    subject = read_subject(recognizer[0], Wish())
    for number in range(7):
        (tmp_path / f'{number}.mp4').symlink_to(CLIP)
    assert [path.stem for path in some_files(tmp_path, subject, 3)] == ['0', '2', '4']
    assert len(some_files(tmp_path, subject, 9)) == 7
