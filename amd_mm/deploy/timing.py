"""How long an answer takes: runtimes in alternating turns, and a video stage by stage."""
import copy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from amd_mm.datasets.transforms.frame_stream import Look
from amd_mm.deploy.export import Trial, export
from amd_mm.deploy.metadata import Form, describe
from amd_mm.deploy.model import Model
from amd_mm.deploy.parity import compare
from amd_mm.deploy.runtimes import Run, open_file
from amd_mm.deploy.sources import run_torch, stack
from amd_mm.deploy.subject import Exported, Subject
from amd_mm.inference import video_frames, windows_by_count

_FORMS = {
    'pt2': Form('pt2', dynamic_batch=True), 'onnx': Form('onnx', dynamic_batch=True),
    'onnx-int8': Form('onnx', 'int8', dynamic_batch=True),
    'onnx-int8-dynamic': Form('onnx', 'int8-dynamic', dynamic_batch=True),
    'tensorrt': Form('onnx', dynamic_batch=True),
    'openvino': Form('openvino', dynamic_batch=True),
    'openvino-bf16': Form('openvino', 'bfloat16', dynamic_batch=True),
    'openvino-int8': Form('openvino', 'int8', dynamic_batch=True)}
# Passes over a video when its stages are timed.
_PASSES = 3


@dataclass
class Contestant:
    """A network in a runtime.

    Attributes:
        name: Of the network.
        runtime: Of the runtime.
        feed: A batch of a size to what ``run`` takes.
        run: The network; None: it cannot be measured here.
        why: In that case, why.
        equal: Share of decisions equal to those of torch; None: not compared.
        memory: Peak in MiB of a process that opens and runs it; None: not known.
        megabytes: Of its file.
        model: The same with its metadata, for whole videos.
    """

    name: str
    runtime: str
    feed: Callable[[int], dict[str, Any]]
    run: Run | None = None
    why: str = ''
    equal: float | None = None
    memory: float | None = None
    megabytes: float | None = None
    model: Model | None = None


def contestants(name: str, subject: Subject, runtimes: Sequence[str], files: Sequence[Path],
                threads: int, folder: Path) -> list[Contestant]:
    """A checkpoint in every runtime.

    Args:
        name: To call it.
        subject: What it holds.
        runtimes: Names of runtimes.
        files: Real inputs.
        threads: To compute with.
        folder: For the files, which is made.
    """
    folder.mkdir()
    pixels = np.concatenate(stack(subject, list(files)))
    module = Exported(subject, True).eval()
    singles = [subject.inputs(one[None], True) for one in pixels]
    want = [run_torch(module, one) for one in singles]

    def feed(count: int) -> dict[str, Any]:
        return subject.inputs(np.resize(pixels, (count, *pixels.shape[1:])), True)

    found = []
    for runtime in runtimes:
        one = Contestant(name, runtime, feed)
        found.append(one)
        if runtime in _FORMS:
            _export(one, subject, files, threads, folder / runtime, feed(1))
        else:
            _in_torch(one, subject, module)
        if one.run is not None:
            one.equal = compare(want, [one.run(single) for single in singles], subject.kind).equal
    return found


def _export(one: Contestant, subject: Subject, files: Sequence[Path], threads: int, out: Path,
            feeds: dict[str, np.ndarray]) -> None:
    """Open what is exported; the reason, where that is impossible here."""
    form = _FORMS[one.runtime]
    said = describe(subject, form)
    path = out / said['file']
    on_gpu = one.runtime == 'tensorrt'
    if on_gpu and not torch.cuda.is_available():
        one.why = 'no GPU'
        return
    try:
        export(subject, form, Trial(files, files, max_drop=100), out, say=lambda line: None)
        one.run = open_file(path, form.precision, threads, 'Tensorrt' if on_gpu else 'CPU')
    except ValueError as error:
        one.why = str(error).partition('. ')[0]
        return
    one.model = Model(one.run, said)
    one.megabytes = sum(file.stat().st_size for file in out.iterdir()
                        if file.suffix != '.json') / 1e6
    named: dict[str, Any] = feeds
    np.savez(out / 'feeds.npz', **named)
    if not on_gpu:
        one.memory = peak_memory(_ALONE[form.target], path, out / 'feeds.npz', str(threads))


def _in_torch(one: Contestant, subject: Subject, module: Exported) -> None:
    if one.runtime == 'eager':
        one.run = lambda feeds: run_torch(module, feeds)
        one.model = Model(one.run, describe(subject, Form('pt2', dynamic_batch=True)))
        one.megabytes = sum(value.numel() for value in module.network.parameters()) * 4 / 1e6
    elif one.runtime == 'compiled':
        compiled: Any = torch.compile(module, dynamic=False)
        one.run = lambda feeds: run_torch(compiled, feeds)
    elif not torch.cuda.is_available():
        one.why = 'no GPU'
    else:
        mode = 'reduce-overhead' if one.runtime == 'cuda-graphs' else None
        one.run = _on_gpu(module, mode)


def _on_gpu(module: Exported, mode: str | None) -> Run:
    """The network on a GPU, by CUDA graphs with the mode for it; the way there and back counts."""
    device = copy.deepcopy(module).cuda()
    network: Any = device if mode is None else torch.compile(device, mode=mode)

    @torch.no_grad()
    def run(feeds: Any) -> np.ndarray:
        return network(*(torch.from_numpy(value).cuda() for value in feeds.values())).cpu().numpy()

    return run


# A process with a file, an input and a number of threads, which says its peak in KiB. (What
# getrusage says begins with the peak of the process that started it.)
_PEAK = 'print([line for line in open("/proc/self/status") if "VmHWM" in line][0].split()[1])'
_HEAD = 'import sys, numpy as np; path, feeds, threads = sys.argv[1:]; feeds = dict(np.load(feeds))'
_ALONE = {
    'onnx': 'import onnxruntime as ort; o = ort.SessionOptions(); '
            'o.intra_op_num_threads = int(threads); '
            'ort.InferenceSession(path, o).run(None, feeds)',
    'openvino': 'import openvino as ov; '
                'ov.compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": threads})(feeds)',
    'pt2': 'import torch; torch.set_num_threads(int(threads)); '
           'torch.export.load(path).module()(*map(torch.from_numpy, feeds.values()))'}


def peak_memory(code: str, *words: str | Path) -> float:
    """MiB at the peak of a process that opens a file and runs it once."""
    found = subprocess.run([sys.executable, '-c', f'{_HEAD}\n{code}\n{_PEAK}', *map(str, words)],
                           check=True, capture_output=True, text=True)
    return int(found.stdout.split()[-1]) / 1024


def relatives(subject: Subject, files: Sequence[Path]) -> list[Contestant]:
    """Networks of timm and Transformers of the same sizes, with random weights, in torch.

    Raises:
        ValueError: If the subject's encoder is not one of ours.
    """
    backbone = getattr(subject.network, 'backbone', None)
    net = getattr(backbone, 'architecture', None)
    if net is None:
        raise ValueError('--beside: must be for an encoder of ours with its classifier, got '
                         f'{type(subject.network).__name__}; leave it out')
    import transformers
    common = dict(hidden_size=net.width, num_hidden_layers=net.depth,
                  num_attention_heads=net.num_heads, intermediate_size=net.mlp_width,
                  image_size=net.image_size[0], patch_size=net.patch)
    found: list[tuple[str, nn.Module]] = []
    if subject.is_video:
        network = transformers.VideoMAEModel(transformers.VideoMAEConfig(
            **common, num_frames=net.num_frames, tubelet_size=net.tubelet))
        found.append(('Transformers VideoMAE', _Last(network, clips=True)))
    else:
        import timm
        found.append(('Transformers ViT', _Last(transformers.ViTModel(
            transformers.ViTConfig(**common), add_pooling_layer=False))))
        found.append(('timm ViT', timm.models.VisionTransformer(
            img_size=net.image_size, patch_size=net.patch, embed_dim=net.width, depth=net.depth,
            num_heads=net.num_heads, mlp_ratio=net.mlp_width / net.width, num_classes=0)))
    pixels = np.concatenate(stack(subject, list(files)))

    def feed(count: int) -> dict[str, Any]:
        return subject.inputs(np.resize(pixels, (count, *pixels.shape[1:])), False)

    def run_of(network: nn.Module) -> Run:
        return lambda feeds: run_torch(network, feeds)

    return [Contestant(name, 'eager', feed, run_of(network.eval())) for name, network in found]


class _Last(nn.Module):
    """A network of Transformers as a function of pixels."""

    def __init__(self, network: nn.Module, clips: bool = False) -> None:
        super().__init__()
        self.network, self.clips = network, clips

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        output: Any = self.network(pixels.transpose(1, 2) if self.clips else pixels)
        return output.last_hidden_state


def measure(found: Sequence[Contestant], batches: Sequence[int],
            rounds: int) -> list[dict[str, Any]]:
    """Seconds of each contestant and batch: median and 95 % of alternating turns.

    Beside the time that passes the processor's, which minds less what else the machine does.
    """
    entries = [(one, batch, one.feed(batch)) for batch in batches for one in found]
    seconds: list[list[float]] = [[] for _ in entries]
    computing: list[list[float]] = [[] for _ in entries]
    for turn in range(rounds + 1):
        for (one, _, feeds), times, spent in zip(entries, seconds, computing, strict=True):
            if one.run is None:
                continue
            began, before = time.perf_counter(), time.process_time()
            one.run(feeds)
            # The first turn compiles, and makes what is kept.
            if turn:
                times.append(time.perf_counter() - began)
                spent.append(time.process_time() - before)
    return [dict(network=one.name, runtime=one.runtime, batch=batch, why=one.why, equal=one.equal,
                 memory=one.memory, megabytes=one.megabytes,
                 median=statistics.median(times) if times else None,
                 most=float(np.quantile(times, .95)) if times else None,
                 computing=statistics.median(spent) if spent else None)
            for (one, batch, _), times, spent in zip(entries, seconds, computing, strict=True)]


def stages(found: Sequence[Contestant], video: Path, threads: int) -> dict[str, Any]:
    """Seconds of the processor for a video, window after window: decode, prepare, network.

    Windows lie side by side; every frame is decoded once. Networks take turns.

    Raises:
        ValueError: If no contestant takes videos, or the video cannot be read.
    """
    models = [one for one in found if one.model is not None and len(one.model.size) == 3]
    if not models:
        raise ValueError('--stages: must be for networks of videos in a runtime that is there, got '
                         'none; leave it out')
    rows: list[dict[str, Any]] = [
        dict(name=one.name, runtime=one.runtime, decode=[], prepare=[], network=[])
        for one in models]
    seconds, windows = 0., 0
    for _, (one, row) in (pair for turn in range(_PASSES) for pair in (
            (turn, pair) for pair in zip(models, rows, strict=True))):
        model = one.model
        assert model is not None
        span = model.size[0] * (model.metadata['preprocess'].get('stride') or 1)
        times = dict(decode=0., prepare=0., network=0.)
        look = Look()
        look.lie(span, span)
        windows, pending = 0, windows_by_count(video_frames(video, look).frames, span, span)
        while True:
            began = time.process_time()
            window = next(pending, None)
            decoded = time.process_time()
            times['decode'] += decoded - began
            if window is None:
                break
            seconds = window.end
            # Colours are made of the frames that are looked at.
            pictures = window.pictures
            pixels = model.prepare(pictures)
            look.learn(pictures.looked_at, len(pictures))
            prepared = time.process_time()
            model.run({'pixels': pixels[None]})
            times['prepare'] += prepared - decoded
            times['network'] += time.process_time() - prepared
            windows += 1
        for stage, value in times.items():
            row[stage].append(value)
    return dict(video=video.name, seconds=seconds, windows=windows, repeats=_PASSES,
                threads=threads, rows=rows)
