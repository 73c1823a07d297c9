"""int8 by the runtimes' own quantisers, and what it costs layer by layer.

Of ONNX only products with weights are quantised: softmax, norms, attention's products of two
activations, the embedding of patches and the classifier stay in float. Weights have 7 bits
(``reduce_range``): processors without VNNI would overflow with 8.
"""
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from amd_mm.deploy.runtimes import require

Feeds = Mapping[str, np.ndarray]
# Activations of a whole network are kept of so many inputs when errors are listed.
_LISTED = 4


class LayerError(NamedTuple):
    """What rounding does to one layer, as root mean square over that of the values.

    Activations are counted from their mean in a channel: a channel that is large and always the
    same says nothing, but takes the steps from all others.

    Attributes:
        layer: Name of the node.
        activations: Of its input, rounded here alone.
        weights: Of its weights.
        arriving: Of its input in the quantised network against the one in float: what has
            gathered up to it.
    """

    layer: str
    activations: float
    weights: float
    arriving: float


def linear_layers(path: Path) -> list[str]:
    """Names of the nodes of an ONNX file that multiply with weights, in order."""
    graph = require('onnx', 'int8').load(str(path)).graph
    constant = {one.name for one in graph.initializer} | {
        node.output[0] for node in graph.node if node.op_type == 'Constant'}
    return [node.name for node in graph.node
            if node.op_type in ('MatMul', 'Gemm') and node.input[1] in constant]


def to_quantise(path: Path, leave_float: Sequence[str], has_head: bool) -> list[str]:
    """The layers to quantise: all with weights but the classifier and what is to be left.

    Args:
        path: An ONNX file.
        leave_float: Parts of names.
        has_head: Whether the last layer is a classifier.

    Raises:
        ValueError: If a part is in no name, or nothing is left to quantise.
    """
    layers = linear_layers(path)
    for part in leave_float:
        if not any(part in layer for layer in layers):
            raise ValueError(f'--leave-float: must be part of the name of a layer, got {part!r}; '
                             f'names are such as {layers[0]} and {layers[-1]}')
    chosen = [layer for layer in (layers[:-1] if has_head else layers)
              if not any(part in layer for part in leave_float)]
    if not chosen:
        raise ValueError('--leave-float: must leave a layer to quantise, but all are left in '
                         'float; export without --int8')
    return chosen


def quantise_onnx(source: Path, target: Path, layers: Sequence[str],
                  feeds: Sequence[Feeds] | None) -> None:
    """Quantise layers of an ONNX file, statically with feeds to calibrate on, else dynamically."""
    require('onnxruntime', 'int8')
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
    common: dict[str, Any] = dict(
        nodes_to_quantize=list(layers), op_types_to_quantize=['MatMul', 'Gemm'],
        per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
    with _quiet():
        if feeds is None:
            quantize_dynamic(str(source), str(target), **common)
        else:
            quantize_static(str(source), str(target), _Reader(feeds), **common,
                            quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8,
                            extra_options=dict(MatMulConstBOnly=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice to let onnxruntime optimise a file first, which renames its layers."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def layer_errors(source: Path, quantised: Path, layers: Sequence[str], feeds: Sequence[Feeds],
                 scratch: Path) -> list[LayerError]:
    """The error of each layer that was quantised statically, the largest rounding first.

    Args:
        source: The file in float.
        quantised: The same, quantised.
        layers: Names of quantised nodes.
        feeds: Inputs; the first few are taken.
        scratch: Folder for files that are not needed any more afterwards.
    """
    from onnxruntime.quantization import qdq_loss_debug as debug
    onnx = require('onnx', 'int8')
    kept = []
    for name, path in (('float', source), ('int8', quantised)):
        more = scratch / f'{name}_with_activations.onnx'
        debug.modify_model_output_intermediate_tensors(str(path), str(more))
        kept.append(debug.collect_activations(str(more), _Reader(feeds[:_LISTED])))
    activations = debug.create_activation_matching(kept[1], kept[0])
    weights = debug.create_weight_matching(str(source), str(quantised))
    nodes = {node.name: node for node in onnx.load(str(source)).graph.node}
    found = []
    for layer in layers:
        inner, weight = nodes[layer].input[:2]
        match = activations.get(inner)
        if match is None or weight not in weights:
            continue
        found.append(LayerError(
            layer, _error(*_centred(match['pre_qdq'], match['post_qdq'])),
            _error(weights[weight]['float'], weights[weight]['dequantized']),
            _error(*_centred(match['float'], match['post_qdq']))))
    return sorted(found, key=lambda error: -max(error.activations, error.weights))


def _centred(want: Sequence[np.ndarray],
             have: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Values by channel, without the mean that the wanted ones have there."""
    first, second = (np.concatenate([one.reshape(-1, one.shape[-1]) for one in some]).astype(
        np.float64) for some in (want, have))
    return first - first.mean(0), second - first.mean(0)


def _error(want: np.ndarray, have: np.ndarray) -> float:
    difference = have.astype(np.float64) - want
    return float(np.sqrt(np.square(difference).sum() / max(np.square(want).sum(), 1e-30)))


class _Reader:
    """Feeds as onnxruntime's quantiser takes them."""

    def __init__(self, feeds: Sequence[Feeds]) -> None:
        self._feeds: Iterator[Feeds] = iter(feeds)

    def get_next(self) -> Feeds | None:
        return next(self._feeds, None)

    def __iter__(self) -> Iterator[Feeds]:
        return self._feeds


def quantise_openvino(model: Any, feeds: Sequence[Feeds], leave_float: Sequence[str]) -> Any:
    """A model of OpenVINO in int8, by nncf's quantiser for transformers.

    Args:
        model: In float.
        feeds: To calibrate on.
        leave_float: Parts of names of operations.
    """
    nncf = require('nncf', '--to openvino --int8')
    names = [f'.*{part}.*' for part in leave_float]
    return nncf.quantize(
        model, nncf.Dataset([dict(feed) for feed in feeds]), subset_size=len(feeds),
        model_type=nncf.ModelType.TRANSFORMER,
        ignored_scope=nncf.IgnoredScope(patterns=names) if names else None)
