"""What a run is, in numbers: for its report."""
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from amd_mm.engine.batch import update_of
from amd_mm.engine.header import training_header
from amd_mm.engine.hooks.bad_sample_hook import BadSampleHook
from amd_mm.engine.hooks.throughput_hook import ThroughputHook
from amd_mm.models.algorithms import MaskedPretraining


def run_facts(runner: Runner) -> dict[str, Any]:
    """What does not change while a run goes on.

    Args:
        runner: With its first batch behind it.

    Returns:
        ``header``: lines by name; ``parameters``: (all, trained) by part; ``flops``: of an input,
        by part, where they could be counted; ``tokens``: of an input, by what is done with them,
        in pre-training; ``inputs``: of an update; ``max_updates``; ``processes``.
    """
    model = unwrapped(runner)
    update = update_of(runner)
    throughput = _hook(runner, ThroughputHook)
    return dict(
        header=training_header(runner, ()),
        parameters={name: _counts(part) for name, part in _parts(model).items()},
        flops=throughput.flops_by_part if throughput else {},
        tokens=_tokens(model) if isinstance(model, MaskedPretraining) else {},
        inputs=update.samples * update.repeats,
        max_updates=runner.max_iters,
        updates_an_epoch=len(runner.train_dataloader),
        processes=runner.world_size)


def bad_samples(runner: Runner) -> dict[str, Any]:
    """How many samples were seen and replaced since the start, and of which kinds."""
    hook = _hook(runner, BadSampleHook)
    return {} if hook is None else dict(
        seen=hook.seen, replaced=hook.replaced, kinds=dict(hook.kinds))


def unwrapped(runner: Runner) -> Any:
    """The model itself: one process alone draws, and a wrapper would wait for the others."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def _hook(runner: Runner, kind: type) -> Any:
    return next((hook for hook in runner.hooks if isinstance(hook, kind)), None)


def _parts(model: nn.Module) -> dict[str, nn.Module]:
    """By the names of a step's parts, where a model pre-trains; teachers are no parts of it."""
    named = dict(backbone='student', neck='generator', necks='generator')
    is_ours = isinstance(model, MaskedPretraining)
    parts = {named.get(name, name) if is_ours else name: part
             for name, part in model.named_children()}
    for lesson in getattr(model, 'lessons', ()):
        parts[f'teacher {lesson.name}'.strip()] = lesson.teacher
    return {name: part for name, part in parts.items() if any(True for _ in part.parameters())}


def _counts(part: nn.Module) -> tuple[int, int]:
    sizes = [(weight.numel(), weight.requires_grad) for weight in part.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained)


def _tokens(model: MaskedPretraining) -> dict[str, int]:
    masks = model.mask_generator
    seen = {'in all': masks.grid.num_tokens, 'seen by the student': masks.num_visible}
    lessons = getattr(model, 'lessons', ())
    for number, lesson in enumerate(lessons):
        extra = masks.num_extras[number if len(masks.num_extras) > 1 else 0]
        seen[f'seen by the teacher {lesson.name}'.strip()] = masks.num_visible + extra
    if model.decoder is not None:
        seen['predicted (pixels)'] = masks.num_predicted
    return seen
