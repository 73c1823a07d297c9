"""Damaged and absurd checkpoints: weights, or an error that names the file."""
import json
from pathlib import Path

import pytest
import tiny_vits
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from amd_mm.checkpoints import canonical_weights, read_checkpoint
from amd_mm.checkpoints.facts import facts_of


@pytest.fixture(scope='module')
def files(tmp_path_factory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp('whole')
    weights = tiny_vits.image_vit().state_dict()
    torch.save(dict(state_dict=weights, meta=dict(epoch=1)), root / 'a.pth')
    torch.save(weights, root / 'legacy.pth', _use_new_zipfile_serialization=False)
    save_file(weights, root / 'a.safetensors')
    return {path.name: path.read_bytes() for path in root.iterdir()}


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp('damaged')


def assert_read_or_refused(path: Path) -> None:
    try:
        checkpoint = read_checkpoint(path)
        facts_of(checkpoint)
        canonical_weights(checkpoint, 'encoder')
    except ValueError as error:
        assert str(error), path


@given(name=st.sampled_from(['a.pth', 'legacy.pth', 'a.safetensors']), data=st.data())
def test_damaged_bytes(files, folder, name, data):
    content = bytearray(files[name])
    # Most of a file is numbers: structure is at its ends.
    end = st.one_of(st.integers(0, 2000), st.integers(len(content) - 8000, len(content) - 1),
                    st.integers(0, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 3))):
        place = min(data.draw(end), len(content) - 1)
        if data.draw(st.booleans()):
            content[place] ^= 1 << data.draw(st.integers(0, 7))
        else:
            del content[max(place, 1):]
    path = folder / name
    path.write_bytes(content)
    assert_read_or_refused(path)


NAMES = st.sampled_from([
    'state_dict', 'model', 'module', 'teacher', 'args', 'meta', 'cls_token', 'pos_embed', 'cfg',
    'patch_embed.proj.weight', 'blocks.0.attn.qkv.weight', 'blocks.1.norm1.bias',
    'layers.0.ln1.weight', 'encoder.norm.weight', 'module.backbone.x', '', '.', 'blocks.x.y'])
TENSORS = st.lists(st.integers(0, 3), max_size=4).map(lambda shape: torch.zeros(shape))
CONTENTS = st.recursive(
    st.one_of(TENSORS, st.none(), st.integers(-1, 3), st.text(max_size=3)),
    lambda inner: st.one_of(st.dictionaries(NAMES, inner, max_size=4), st.lists(inner, max_size=2)),
    max_leaves=8)


@given(content=CONTENTS)
def test_absurd_structures(folder, content):
    path = folder / 'absurd.pth'
    torch.save(content, path)
    assert_read_or_refused(path)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 2000), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([
        'model_type', 'hidden_size', 'num_attention_heads', 'num_hidden_layers', 'image_size',
        'patch_size', 'hidden_act', 'layer_norm_eps', 'architecture', 'model_args', 'model_config',
        'pretrained_cfg', 'mean', 'std', 'image_mean', 'image_std', 'rescale_factor', 'weight_map',
        'num_frames', 'a']), inner, max_size=4)), max_leaves=10)


@given(config=JSON, preprocessor=JSON, index=JSON)
def test_absurd_folders(files, folder, config, preprocessor, index):
    for name, content in (('config.json', config), ('preprocessor_config.json', preprocessor),
                          ('model.safetensors.index.json', index)):
        (folder / name).write_text(json.dumps(content))
    (folder / 'model.safetensors').write_bytes(files['a.safetensors'])
    assert_read_or_refused(folder)
    (folder / 'model.safetensors').unlink()
    assert_read_or_refused(folder)
