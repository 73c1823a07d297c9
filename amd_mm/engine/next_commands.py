"""What to type after a run."""
import shlex
from pathlib import Path

from mmengine.runner import Runner

from amd_mm.engine.run_facts import unwrapped
from amd_mm.models.algorithms import MaskedPretraining

_OWN_DATA = {
    False: 'configs/finetune/vit-small-p16_amd-pre_b64-coslr-50e_own-images.py',
    True: 'configs/finetune/vit-small-p16_k400-amd-pre_b8-16x4x1-50e_own-videos-rgb.py'}
# Width and depth of the recipes' network.
_SMALL = (384, 12)


def next_commands(runner: Runner, encoder: str | None) -> list[tuple[str, str]]:
    """The three commands that come next, each with what it is for.

    Args:
        runner: Of training.
        encoder: The exported file in the work dir; None: there is none.
    """
    work_dir = Path(runner.work_dir)
    config = config_file(runner)
    last = runner.message_hub.runtime_info.get('last_ckpt')
    checkpoint = work_dir / Path(str(last)).name if last else work_dir / 'CHECKPOINT'
    if isinstance(unwrapped(runner), MaskedPretraining):
        return _of_pretraining(unwrapped(runner), config,
                               work_dir / encoder if encoder else checkpoint)
    return [
        ('Test it:', _line('tools/test.py', config, checkpoint)),
        ('Predict files and folders:', _line('tools/predict.py', config, checkpoint, 'FOLDER')),
        ('For Transformers:', _line('tools/convert_checkpoint.py', checkpoint, work_dir / 'export',
                                    '--to', 'transformers'))]


def config_file(runner: Runner) -> Path:
    """Where MMEngine has written the config of a run."""
    return Path(runner.work_dir, Path(runner.cfg.filename or f'{runner.timestamp}.py').name)


def _of_pretraining(model: MaskedPretraining, config: Path,
                    weights: Path) -> list[tuple[str, str]]:
    backbone = model.backbone
    is_small = (backbone.embed_dims, backbone.depth) == _SMALL
    recipe = _OWN_DATA[backbone.grid.is_video] if is_small else 'FINETUNING_CONFIG'
    return [
        ('Fine-tune it on data of your own (docs/finetuning.md):', _line(
            'tools/train.py', recipe, '--cfg-options',
            f'model.backbone.init_cfg.checkpoint={weights}')),
        ('Features of files and folders:', _line(
            'tools/extract_features.py', config, weights, 'FOLDER', '--out', 'features.npz')),
        ('For other programs:', _line(
            'tools/convert_checkpoint.py', weights, 'encoder.onnx', '--to', 'onnx'))]


def _line(*words: object) -> str:
    return 'python ' + shlex.join(map(str, words))
