"""The runtimes that open an exported file, each as a function of named arrays.

Every one may be called from several threads at once.
"""
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

Run = Callable[[Mapping[str, np.ndarray]], np.ndarray]

_EXTRAS = dict(onnx='onnx', onnxruntime='onnx', openvino='openvino', nncf='openvino')


def require(module: str, what: str) -> Any:
    """Import a runtime.

    Raises:
        ValueError: If it is not installed.
    """
    try:
        return __import__(module)
    except ImportError as error:
        raise ValueError(
            f'{what}: needs the package {module}, which is not installed. Install it with '
            f'`pip install amd-mm[{_EXTRAS[module]}]`.') from error


def open_file(path: Path, precision: str = 'float32', threads: int | None = None,
              on: str = 'CPU') -> Run:
    """A file of ``tools/export.py``, by the ending of its name.

    Args:
        path: ``.onnx``, ``.xml`` or ``.pt2``.
        precision: Of the metadata; bfloat16 has to be asked of OpenVINO.
        threads: To compute with; None: what the runtime takes. For ``.pt2`` it is torch's setting,
            of the whole process.
        on: What computes a ``.onnx``, the name of a provider of onnxruntime: ``'CPU'``,
            ``'CUDA'``, ``'Tensorrt'``.

    Raises:
        ValueError: If the runtime is not installed, or has no such provider.
    """
    if path.suffix == '.onnx':
        return _open_onnx(path, threads, f'{on}ExecutionProvider')
    return (_open_openvino if path.suffix == '.xml' else _open_pt2)(path, precision, threads)


def _open_onnx(path: Path, threads: int | None, provider: str) -> Run:
    runtime = require('onnxruntime', 'ONNX')
    options = runtime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    if provider not in runtime.get_available_providers():
        raise ValueError(f'ONNX: onnxruntime here must have {provider}, but has '
                         f'{", ".join(runtime.get_available_providers())}; install '
                         'onnxruntime-gpu')
    session = runtime.InferenceSession(str(path), options, providers=[provider])
    return lambda feeds: session.run(None, dict(feeds))[0]


@cache
def openvino_core() -> Any:
    """The process's one OpenVINO core, with its CPU plugin loaded.

    Every core's CPU plugin gives its thread a stack for signal handlers, and takes it back in
    the wrong order where cores do not end in the reverse order of their beginning: then the next
    signal (Ctrl-C, the end of a loader's worker) ends the process. So there is one, which stays.

    Raises:
        ValueError: If OpenVINO is not installed.
    """
    core = require('openvino', 'OpenVINO').Core()
    core.get_property('CPU', 'FULL_DEVICE_NAME')  # loads the plugin
    return core


def _open_openvino(path: Path, precision: str, threads: int | None) -> Run:
    settings: dict[str, Any] = dict(PERFORMANCE_HINT='LATENCY')
    # Left to itself it computes in bfloat16 where the processor can.
    settings['INFERENCE_PRECISION_HINT'] = 'bf16' if precision == 'bfloat16' else 'f32'
    if threads is not None:
        settings['INFERENCE_NUM_THREADS'] = threads
    compiled = openvino_core().compile_model(str(path), 'CPU', settings)

    def run(feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        # A request belongs to one call; the compiled model's own is shared.
        return compiled.create_infer_request().infer(dict(feeds))[compiled.output(0)].copy()

    return run


def _open_pt2(path: Path, precision: str, threads: int | None) -> Run:
    if threads is not None:
        torch.set_num_threads(threads)
    module = torch.export.load(str(path)).module()

    @torch.no_grad()
    def run(feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        return module(*(torch.from_numpy(value) for value in feeds.values())).numpy()

    return run
