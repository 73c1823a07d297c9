"""Files for the runtimes, each made by the runtime's own tools, with our metadata inside."""
import copy
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from amd_mm.deploy.metadata import FORMATS, KEY, Form
from amd_mm.deploy.runtimes import require
from amd_mm.deploy.subject import Exported

# Below it there is no operator for layer norms; above it torch's exporter knows none.
OPSETS = (17, 20)


def check_form(form: Form) -> None:
    """Look before the work starts whether the file can be made here.

    Raises:
        ValueError: If a runtime is not installed, or settings do not go together.
    """
    if form.target == 'onnx':
        if not OPSETS[0] <= form.opset <= OPSETS[1]:
            raise ValueError(f'--opset: must be from {OPSETS[0]} (layer norms) to {OPSETS[1]} '
                             f'(what torch writes), got {form.opset}; leave it out')
        if form.precision == 'bfloat16':
            raise ValueError('--bf16: must be for openvino or pt2, as onnxruntime does not compute '
                             'in bfloat16 on processors, got onnx; add --int8, or choose --to '
                             'openvino')
        for module in ('onnx', 'onnxruntime'):
            require(module, '--to onnx')
    if form.target == 'openvino':
        require('openvino', '--to openvino')
        if form.precision == 'int8':
            require('nncf', '--to openvino --int8')
        if form.precision == 'int8-dynamic':
            raise ValueError('--int8 dynamic: must be for onnx, got openvino; give --calibrate '
                             'FOLDER and --int8 static')
    if form.target == 'pt2' and form.precision.startswith('int8'):
        raise ValueError('--int8: must be for onnx or openvino, whose quantisers are used, got '
                         'pt2; choose one of them, or --bf16')


def write_float(module: Exported, feeds: Mapping[str, np.ndarray], form: Form, said: dict[str, Any],
                folder: Path) -> Path:
    """Write a module for a runtime, not quantised.

    Args:
        module: In eval mode.
        feeds: An input of one, by name.
        form: What is wanted.
        said: The metadata.
        folder: An existing folder, which gets the file.
    """
    path = folder / FORMATS[form.target]
    # A batch of two where any will do: torch would take one for a constant.
    inputs = {name: torch.from_numpy(np.repeat(value, 2, 0) if form.dynamic_batch
                                     and name == 'pixels' else value)
              for name, value in feeds.items()}
    if form.precision == 'bfloat16' and form.target == 'pt2':
        module = copy.deepcopy(module)
        # Pixels are normalised in float32 all the same.
        module.network.to(torch.bfloat16)
    writers = dict(onnx=_write_onnx, openvino=_write_openvino, pt2=_write_pt2)
    with warnings.catch_warnings(), torch.no_grad():
        # Of tracers, about shapes that are constant here, and of exporters that are older.
        warnings.simplefilter('ignore')
        writers[form.target](module, inputs, form, said, path)
    return path


def _axes(inputs: Mapping[str, Tensor], form: Form) -> dict[str, str]:
    """Inputs whose first axis has any length, and its name."""
    axes = {'boxes': 'boxes'} if 'boxes' in inputs else {}
    return axes | ({'pixels': 'batch'} if form.dynamic_batch else {})


def _write_onnx(module: Exported, inputs: Mapping[str, Tensor], form: Form, said: dict[str, Any],
                path: Path) -> None:
    axes = _axes(inputs, form)
    dynamic = {name: {0: axis} for name, axis in axes.items()}
    if axes:
        dynamic['output'] = {0: axes.get('boxes', 'batch')}
    # The exporter that needs no further package.
    torch.onnx.export(module, tuple(inputs.values()), str(path), dynamo=False,
                      opset_version=form.opset, input_names=list(inputs), output_names=['output'],
                      dynamic_axes=dynamic)
    put_into_onnx(path, said)


def put_into_onnx(path: Path, said: dict[str, Any]) -> None:
    """Set the metadata of an ONNX file."""
    onnx = require('onnx', 'ONNX')
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, {KEY: json.dumps(said)})
    onnx.save(model, str(path))


def _write_openvino(module: Exported, inputs: Mapping[str, Tensor], form: Form,
                    said: dict[str, Any], path: Path) -> None:
    save_openvino(_to_openvino(module, inputs, form), said, path)


def _to_openvino(module: Exported, inputs: Mapping[str, Tensor], form: Form) -> Any:
    openvino = require('openvino', 'OpenVINO')
    axes = _axes(inputs, form)
    kinds = {torch.uint8: openvino.Type.u8, torch.float32: openvino.Type.f32}
    shapes = [(openvino.PartialShape([-1 if name in axes else value.shape[0], *value.shape[1:]]),
               kinds[value.dtype]) for name, value in inputs.items()]
    model = openvino.convert_model(module, example_input=tuple(inputs.values()), input=shapes)
    for port, name in zip(model.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
    model.outputs[0].get_tensor().set_names({'output'})
    return model


def save_openvino(model: Any, said: dict[str, Any], path: Path) -> None:
    """Write OpenVINO's two files, with the metadata and uncompressed weights."""
    openvino = require('openvino', 'OpenVINO')
    model.set_rt_info(json.dumps(said), KEY)
    openvino.save_model(model, str(path), compress_to_fp16=False)


def _write_pt2(module: Exported, inputs: Mapping[str, Tensor], form: Form, said: dict[str, Any],
               path: Path) -> None:
    axes = _axes(inputs, form)
    dynamic = [{0: torch.export.Dim(axes[name], min=1)} if name in axes else None
               for name in inputs]
    program = torch.export.export(module, tuple(inputs.values()), strict=False,
                                  dynamic_shapes=tuple(dynamic))
    torch.export.save(program, str(path), extra_files={KEY: json.dumps(said)})

