"""One export from beginning to end: nothing is left unless it was checked on real inputs."""
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from amd_mm.deploy.metadata import JSON_NAME, Form, describe
from amd_mm.deploy.parity import Parity, compare
from amd_mm.deploy.quantize import (
    LayerError,
    layer_errors,
    quantise_onnx,
    quantise_openvino,
    to_quantise,
)
from amd_mm.deploy.runtimes import Run, open_file, openvino_core
from amd_mm.deploy.sources import run_torch, stack
from amd_mm.deploy.subject import CLASSIFIER, Exported, Subject
from amd_mm.deploy.writers import check_form, put_into_onnx, save_openvino, write_float
from amd_mm.export.writing import check_destination, replacing

# Of float32; other precisions are judged by their decisions.
TOLERANCE = 1e-4
# Layers that are said; model.json has all.
_SAID = 8

Feeds = dict[str, np.ndarray]


class Trial(NamedTuple):
    """What an export is tried on.

    Attributes:
        files: Real pictures or clips to compare with the network on.
        calibration: Those that a quantiser looks at.
        labelled: Files and their labels to count right answers on.
        max_drop: So many percent of right answers (without labels: of equal decisions) may be lost
            in another precision than float32.
        leave_float: Parts of names of layers that are not quantised.
    """

    files: Sequence[Path]
    calibration: Sequence[Path] = ()
    labelled: Sequence[tuple[Path, int]] = ()
    max_drop: float = 1.
    leave_float: Sequence[str] = ()


def export(subject: Subject, form: Form, trial: Trial, out: Path, force: bool = False,
           say: Callable[[str], None] = print) -> Parity:
    """Write a folder for a runtime.

    Args:
        subject: What to export.
        form: As which file.
        trial: What it is tried on.
        out: Folder to write; it must not exist, or be an export with ``force``.
        force: Replace it.
        say: Takes lines about what was found.

    Returns:
        The file against the network in torch.

    Raises:
        ValueError: If the form, the files or the destination do not fit, the file does not give
            the network's outputs, or loses more than ``trial.max_drop``. Nothing is written then.
    """
    check_form(form)
    check_destination(out, force)
    if trial.labelled and subject.kind != CLASSIFIER:
        raise ValueError('--labelled: must be for a checkpoint with a classifier, but this one has '
                         'none; leave it out')
    module = Exported(subject, form.in_graph).eval()
    feeds = _feeds(subject, form, trial.files)
    want = [run_torch(module, one) for one in feeds]
    said = describe(subject, form)
    with replacing(out) as temporary:
        temporary.mkdir()
        scratch = temporary / 'scratch'
        scratch.mkdir()
        plain = form if form.precision == 'bfloat16' else form._replace(precision='float32')
        path = write_float(module, feeds[0], plain, said, temporary)
        run = open_file(path, form.precision if plain == form else 'float32')
        found = compare(want, [run(one) for one in feeds], subject.kind)
        say(f'{form.target} {plain.precision} against torch on {len(feeds)} inputs: {found}')
        if plain.precision == 'float32' and not found.largest <= TOLERANCE:
            raise ValueError(
                f"Export: {path.name} must give torch's outputs within {TOLERANCE}, but: {found}. "
                'Nothing was written; try another version of the runtime.')
        if form.dynamic_batch and len(feeds) > 1:
            _check_batch(run, feeds, subject.kind)
        if form.precision.startswith('int8'):
            run, layers = _quantise(subject, form, trial, said, path, scratch)
            found = compare(want, [run(one) for one in feeds], subject.kind)
            say(f'{form.target} {form.precision} against torch on {len(feeds)} inputs: {found}')
            _say_layers(layers, say)
            said['layers'] = [one._asdict() for one in layers]
        if form.precision != 'float32':
            said['accuracy'] = _check_drop(subject, form, trial, module, run, found, say)
        said['parity'] = dict(found._asdict(), inputs=len(feeds))
        shutil.rmtree(scratch)
        (temporary / JSON_NAME).write_text(json.dumps(said, indent=1, ensure_ascii=False), 'utf-8')
    return found


def _feeds(subject: Subject, form: Form, files: Sequence[Path]) -> list[Feeds]:
    return [subject.inputs(one, form.in_graph) for one in stack(subject, list(files))]


def _check_batch(run: Run, feeds: Sequence[Feeds], kind: str) -> None:
    """See that a batch gives what its inputs give alone.

    Raises:
        ValueError: If not.
    """
    some = feeds[:3]
    rule = 'Export: a batch must give what its inputs give alone, but'
    remedy = 'Nothing was written; leave out --dynamic-batch.'
    try:
        together = run({**some[0], 'pixels': np.concatenate([one['pixels'] for one in some])})
    except Exception as error:  # what a runtime raises differs from one to the other
        raise ValueError(f'{rule} the runtime says: {error}. {remedy}') from error
    found = compare([run(one) for one in some], [together], kind)
    if not found.largest <= TOLERANCE:
        raise ValueError(f'{rule}: {found}. {remedy}')


def _quantise(subject: Subject, form: Form, trial: Trial, said: dict[str, Any], path: Path,
              scratch: Path) -> tuple[Run, list[LayerError]]:
    """Put a quantised file in the place of one in float."""
    static = form.precision == 'int8'
    feeds = _feeds(subject, form, trial.calibration) if static else []
    if form.target == 'openvino':
        model = openvino_core().read_model(str(path))
        save_openvino(quantise_openvino(model, feeds, trial.leave_float), said,
                      scratch / path.name)
        del model
        for file in (path, path.with_suffix('.bin')):
            (scratch / file.name).replace(file)
        return open_file(path), []
    layers = to_quantise(path, trial.leave_float, subject.kind == CLASSIFIER)
    quantised = scratch / path.name
    quantise_onnx(path, quantised, layers, feeds if static else None)
    errors = layer_errors(path, quantised, layers, feeds, scratch) if static else []
    quantised.replace(path)
    put_into_onnx(path, said)
    return open_file(path), errors


def _say_layers(layers: Sequence[LayerError], say: Callable[[str], None]) -> None:
    if layers:
        say('layers by the error of rounding (activations, weights; gathered before it); what is '
            'large may be left by --leave-float:')
    for one in layers[:_SAID]:
        say(f'  {one.activations:7.2%} {one.weights:7.2%} {one.arriving:7.2%}  {one.layer}')


def _check_drop(subject: Subject, form: Form, trial: Trial, module: Exported, run: Run,
                found: Parity, say: Callable[[str], None]) -> dict[str, Any]:
    """Count right answers side by side; without labels, equal decisions.

    Raises:
        ValueError: If too many are lost.
    """
    if not trial.labelled:
        drop, what = 100 * (1 - found.equal), 'equal decisions'
        result: dict[str, Any] = {}
    else:
        feeds = _feeds(subject, form, [file for file, _ in trial.labelled])
        labels = [label for _, label in trial.labelled]
        exact, rounded = (
            100 * float(np.mean([label == int(answer(one).argmax()) for one, label in zip(
                feeds, labels, strict=True)]))
            for answer in (lambda one: run_torch(module, one), run))
        say(f'right of {len(labels)}: float32 {exact:.2f} %, {form.precision} {rounded:.2f} %')
        drop, what = exact - rounded, 'right answers'
        result = dict(inputs=len(labels), float32=exact, **{form.precision: rounded})
    if drop > trial.max_drop:
        raise ValueError(
            f'Export: {form.precision} must not lose more than {trial.max_drop:g} % of {what} '
            f'(--max-drop), but loses {drop:.2f} %. Nothing was written; leave layers in float by '
            '--leave-float, calibrate on more inputs, or allow more.')
    return result
