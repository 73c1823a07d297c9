"""What to type after a run."""
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from amd_mm.engine.run_facts import unwrapped
from amd_mm.models.algorithms import MaskedPretraining


def next_commands(runner: Runner, encoder: str | None) -> list[tuple[str, str]]:
    """The commands that come next, each with what it is for; they run as they stand.

    Args:
        runner: Of training.
        encoder: The exported file in the work dir; None: there is none.

    Returns:
        Three of a pre-training and of a classifier, fewer of others. ``FOLDER`` and
        ``CHECKPOINT`` in them stand for what is not known: labelled data, data that is in no
        folder, a checkpoint before the first.
    """
    work_dir = Path(runner.work_dir)
    config = config_file(runner)
    last = runner.message_hub.runtime_info.get('last_ckpt')
    checkpoint = work_dir / Path(str(last)).name if last else work_dir / 'CHECKPOINT'
    model = unwrapped(runner)
    if isinstance(model, MaskedPretraining):
        weights = work_dir / encoder if encoder else checkpoint
        return [
            ('Fine-tune it, on a folder with a folder a class (docs/command.md):', _line(
                'finetune', '--data', 'FOLDER', '--from', weights, '--out',
                f'{work_dir}_finetuned')),
            ('Features of files and folders:', _line(
                'features', config, weights, _folder(runner.cfg.train_dataloader), '--out',
                work_dir / 'features.npz')),
            ('For other programs:', _line(
                'convert', weights, work_dir / 'encoder.onnx', '--to', 'onnx', '--part',
                'encoder'))]
    commands = [('Test it:', _line('test', config, checkpoint))]
    is_classifier = hasattr(model, 'head') or hasattr(model, 'cls_head')
    grid = getattr(getattr(model, 'backbone', None), 'grid', None)
    # Of actions in videos somebody has to say, or find, where people are.
    if is_classifier or (grid is not None and not grid.is_video):
        data = runner.cfg.get('val_dataloader') or runner.cfg.train_dataloader
        commands.append(('Predict files and folders:', _line(
            'predict', config, checkpoint, _folder(data))))
    if is_classifier:
        commands.append(('For Transformers:', _line(
            'convert', checkpoint, work_dir / 'export', '--to', 'transformers')))
    return commands


def config_file(runner: Runner) -> Path:
    """Where MMEngine has written the config of a run."""
    return Path(runner.work_dir, Path(runner.cfg.filename or f'{runner.timestamp}.py').name)


def _folder(loader: Mapping[str, Any]) -> str | Path:
    """That a loader's samples lie in, where they lie in one."""
    data = loader.get('dataset') or {}
    while isinstance(data.get('dataset'), Mapping):
        data = data['dataset']
    prefix = data.get('data_prefix') or ''
    if isinstance(prefix, Mapping):
        prefix = next(iter(prefix.values()), '')
    folder = Path(data.get('data_root') or '', prefix)
    return folder if folder != Path() and folder.is_dir() else 'FOLDER'


def _line(*words: object) -> str:
    return 'amd-mm ' + shlex.join(map(str, words))
