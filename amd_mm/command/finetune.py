"""``amd-mm finetune`` and :func:`amd_mm.finetune`: one line from an encoder to a classifier."""
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from amd_mm.checkpoints import Architecture
from amd_mm.command.encoders import backbone_settings, depth_of, find_encoder
from amd_mm.command.labelled import Labelled, find_labelled, write_lists
from amd_mm.command.recipes import path_of, tuning_recipe
from amd_mm.command.run import Wish, make_config, start
from amd_mm.command_line import read_config_file
from amd_mm.profiling.memory import module_bytes, step_memory
from amd_mm.registry import MODELS

__all__ = ['finetune']


def finetune(data: str | Path, out: str | Path, checkpoint: str | Path, *,
             val: str | Path | None = None, val_part: float = .2,
             classes: str | Path | None = None, modality: str | None = None,
             size: int | None = None, frames: int | None = None, epochs: int | None = None,
             batch: int | None = None, processes: int | None = None,
             cfg_options: Mapping[str, Any] | None = None, resume: bool = False,
             overwrite: bool = False, config_only: bool = False) -> Path | None:
    """Train a pre-trained encoder to tell the classes of pictures or videos.

    What it has decided stands in ``OUT/config.py``, which ``amd-mm train`` goes through again;
    what it trains on and validates with, in ``OUT/lists``. The head has the classes of the data.

    Args:
        data: Folder with a folder a class, or with such folders in ``train`` and ``val``, or a
            list of ``path label`` lines.
        out: Work dir.
        checkpoint: What pre-training wrote, or an encoder of any layout.
        val: List to validate with, beside a list.
        val_part: Of every class, for validation, where the data is not split.
        classes: File with the names of a list's labels; None: ``classes.txt`` beside it, else the
            folders of its files.
        modality: As of :func:`amd_mm.pretrain`, and so all that follow.
        size: None: the checkpoint's.
        frames: None: the checkpoint's.
        epochs: None: the recipe's.
        batch: Samples of an update.
        processes: How many train.
        cfg_options: Further settings.
        resume: Go on.
        overwrite: Start anew.
        config_only: Do not train.

    Returns:
        The newest checkpoint; None with ``config_only``.

    Raises:
        ValueError: If something does not fit; nothing was trained then.
    """
    wish = Wish(Path(out).absolute(), epochs, batch, processes, cfg_options or {}, resume,
                overwrite, config_only)
    found, labelled = find_labelled(data, val, val_part, classes, modality)
    print(f'{found.said}\n{labelled}', file=sys.stderr)
    encoder = find_encoder(checkpoint, '--from')
    net = encoder.net
    if net is None or net.modality != found.modality:
        kind = f'one of {net.modality}s' if net else 'a network of another library'
        raise ValueError(f'--from must be an encoder of {found.modality}s in a layout of '
                         f'docs/checkpoints.md, but {encoder.file} is {kind}; take another')
    recipe = tuning_recipe(found.modality)
    base = read_config_file(path_of(recipe))
    lists = {name: wish.out / 'lists' / f'{name}.txt' for name in ('train', 'val', 'classes')}
    settings = dict(_shape(net, base, size, frames), model=_model(net, base, encoder.file),
                    **_data(labelled, lists, found.modality))
    before = depth_of(base.model.backbone)
    if net.depth != before and 'num_layers' in base.optim_wrapper.paramwise_cfg:
        settings['optim_wrapper'] = dict(paramwise_cfg=dict(num_layers=net.depth))
    comment = (f'Written by amd-mm finetune: {len(labelled.classes)} classes of '
               f'{found.modality}s.\nAgain: amd-mm train THIS_FILE')
    path, notes = make_config(recipe, settings, wish, len(labelled.train), comment, _needed)
    write_lists(labelled, wish.out / 'lists')
    return start(path, wish, notes)


def _shape(net: Architecture, base: Config, size: int | None, frames: int | None) -> dict[str, int]:
    """``size``, ``frames`` and ``patch`` where they are not the recipe's."""
    backbone = base.model.backbone
    side = net.image_size[0] if net.image_size else None
    wanted = dict(size=size or side, patch=net.patch)
    recipe = dict(size=backbone.img_size, patch=backbone.patch_size)
    if frames is not None or net.modality == 'video':
        wanted['frames'], recipe['frames'] = frames or net.num_frames, backbone.get('num_frames')
    return {key: value for key, value in wanted.items()
            if value is not None and value != recipe[key]}


def _model(net: Architecture, base: Config, file: Path) -> dict[str, Any]:
    # Without a prefix the layout is found from the keys.
    init = dict(init_cfg=dict(checkpoint=str(file), prefix=None))
    head = 'cls_head' if net.modality == 'video' else 'head'
    model: dict[str, Any] = dict(backbone=backbone_settings(net, base.model.backbone) | init)
    if base.model[head].in_channels != net.width:
        model[head] = dict(in_channels=net.width)
    return model


def _data(labelled: Labelled, lists: Mapping[str, Path], modality: str) -> dict[str, Any]:
    """The loaders' settings; paths are absolute, so that the config can be started anywhere."""
    folder = str(labelled.folder)
    prefix: dict[str, Any] = dict(data_prefix=dict(video=folder)) if modality == 'video' else dict(
        data_root='', data_prefix=folder)

    def files(name: str) -> dict[str, Any]:
        return dict(ann_file=str(lists[name]), metainfo=dict(classes=str(lists['classes'])),
                    **prefix)

    return dict(
        train_dataloader=dict(dataset=dict(dataset=files('train'))),
        val_dataloader=dict(dataset=files('val')), test_dataloader=dict(dataset=files('val')))


def _needed(cfg: Config) -> Callable[[int], int]:
    """Bytes of training with a batch; what a head needs is little beside the encoder's."""
    backbone = MODELS.build({**cfg.model.backbone, 'init_cfg': None}).train()
    repeats = cfg.train_dataloader.dataset.num_repeats
    shape = (backbone.architecture.channels, *backbone.grid.input_size)

    def losses(model: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
        features = model(inputs)
        return dict(loss=(features[-1] if isinstance(features, tuple) else features).mean())

    def needed(batch: int) -> int:
        return module_bytes(backbone) + 3 * module_bytes(backbone, trained=True) + step_memory(
            backbone, (batch * repeats, *shape), torch.bfloat16, losses=losses)

    return needed
