"""Which layers are quantised, and the error that each is said to have."""
import json

import numpy as np
import onnx
import pytest
from clips import REAL
from exports import tuned_checkpoint
from tuned import OWN_VIDEOS

from amd_mm.deploy import Form, Trial, Wish, export, read_subject
from amd_mm.deploy.quantize import LayerError, linear_layers, to_quantise

FILES = [REAL / 'carphone_pristine.mp4', REAL / 'bikes.mp4']


@pytest.fixture(scope='module')
def subject(tmp_path_factory):
    return read_subject(tuned_checkpoint(OWN_VIDEOS, tmp_path_factory.mktemp('int8'))[0], Wish())


@pytest.fixture(scope='module')
def exact(subject, tmp_path_factory):
    out = tmp_path_factory.mktemp('float') / 'out'
    export(subject, Form('onnx'), Trial(FILES), out)
    return out / 'model.onnx'


def test_products_with_weights_are_found_and_the_last_is_left(exact):
    layers = linear_layers(exact)
    # Queries, keys and values, projection and MLP of two blocks, and the classifier.
    assert len(layers) == 2 * 4 + 1 and layers[-1] == '/network/head/fc_cls/Gemm'
    assert to_quantise(exact, [], has_head=True) == layers[:-1]
    assert to_quantise(exact, ['blocks.0'], has_head=False) == layers[4:]


def test_what_is_quantised_and_what_is_not(subject, exact, tmp_path):
    found = {}
    for precision in ('int8', 'int8-dynamic'):
        trial = Trial(FILES, FILES, max_drop=100, leave_float=['blocks.1/mlp'])
        export(subject, Form('onnx', precision), trial, tmp_path / precision)
        graph = onnx.load(tmp_path / precision / 'model.onnx').graph
        integers = [one for one in graph.initializer
                    if one.data_type == onnx.TensorProto.INT8 and len(one.dims) == 2]
        found[precision] = sorted(tuple(one.dims) for one in integers)
        # Seven bits, a scale a column.
        assert max(np.abs(onnx.numpy_helper.to_array(one).astype(int)).max()
                   for one in integers) <= 64
        kinds = {node.op_type for node in graph.node}
        assert {'Softmax', 'LayerNormalization', 'Conv'} <= kinds
    width = 24
    wanted = sorted([(width, 3 * width), (width, width)] * 2 + [(width, 4 * width),
                                                               (4 * width, width)])
    assert found == {'int8': wanted, 'int8-dynamic': wanted}


def test_errors_of_layers_point_at_the_one_that_rounding_ruins(subject, tmp_path):
    """An activation far larger than the others leaves them no steps."""
    block = subject.network.backbone.blocks[1]
    bias = block.norm2.bias.detach().clone()
    try:
        block.norm2.bias.data[0] = 300.
        export(subject, Form('onnx', 'int8'), Trial(FILES, FILES, max_drop=100), tmp_path / 'out',
               say=lambda line: None)
    finally:
        block.norm2.bias.data = bias
    errors = [LayerError(**one) for one in json.loads(
        (tmp_path / 'out/model.json').read_text())['layers']]
    assert len(errors) == 8
    assert all(0 < one.weights < .03 for one in errors)
    first = errors[0]
    assert first.layer == '/network/backbone/blocks.1/mlp/layers/layers.0/layers.0.0/MatMul'
    assert first.activations > .1
    before = [one.activations for one in errors if 'blocks.0' in one.layer]
    assert len(before) == 4 and first.activations > 5 * max(before)
