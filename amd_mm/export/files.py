"""Conversions to disk: checkpoint files, Transformers folders and ONNX, with model cards."""
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from amd_mm.checkpoints.layouts import LAYOUT_NAMES
from amd_mm.checkpoints.reading import read_checkpoint
from amd_mm.export.convert import (
    Conversion,
    Options,
    convert_weights,
    envelope,
    said_facts,
    settle_facts,
)
from amd_mm.export.model_card import model_card
from amd_mm.export.onnx_file import build_model, export_onnx
from amd_mm.export.transformers_folder import preprocessor_config, transformers_config
from amd_mm.export.writing import (
    check_destination,
    own_storage,
    replacing,
    save_safetensors,
    save_torch,
)

TARGETS = (*LAYOUT_NAMES, 'onnx')


def convert_checkpoint(source: str | Path, destination: str | Path, options: Options, *,
                       dry_run: bool = False, force: bool = False,
                       trust: bool = False) -> Conversion:
    """Convert a checkpoint; write nothing unless every key is accounted for.

    A ``.safetensors`` destination gets the bare weights; Transformers needs a folder.
    Transformers, timm and ONNX get a model card: ``README.md`` in the folder, else the
    destination's name with ``.md`` after it.

    Args:
        source: File or Transformers folder.
        destination: File, or folder for Transformers.
        options: What is asked for; ``options.target`` is one of ``TARGETS``.
        dry_run: Do everything but write.
        force: Replace the destination if it exists.
        trust: Unpickle arbitrary classes, see ``read_state_dict``.

    Raises:
        ValueError: If source, keys, options or destination do not fit.
    """
    destination = Path(destination)
    if not dry_run:
        check_destination(destination, force)
    as_onnx = options.target == 'onnx'
    checkpoint = read_checkpoint(source, trust)
    result = convert_weights(checkpoint, replace(options, target='amd_mm') if as_onnx else options)
    beside: dict[str, dict[str, Any]] = {}
    if result.target.folder:
        beside = {'config.json': transformers_config(result),
                  'preprocessor_config.json': preprocessor_config(result)}
    if dry_run:
        if as_onnx:
            build_model(result)
        return result
    if as_onnx or result.target.name == 'timm':
        settle_facts(result)
    card = model_card(result, options.target)
    card_path = destination.with_name(destination.name + '.md')
    if as_onnx:
        with replacing(destination) as temporary:
            difference = export_onnx(result, temporary)
        _write_text(card_path, card + f'\nonnxruntime against torch: largest difference '
                    f'{difference:.1e} of the largest output, batches of 1 and 3.\n')
        return result
    weights = result.weights = own_storage(result.weights)
    with replacing(destination) as temporary:
        if result.target.folder:
            temporary.mkdir()
            save_safetensors(weights, temporary / 'model.safetensors')
            for name, content in beside.items():
                if content:
                    (temporary / name).write_text(json.dumps(content, indent=2) + '\n')
            (temporary / 'README.md').write_text(card)
        elif destination.suffix == '.safetensors':
            save_safetensors(weights, temporary, said_facts(result))
        else:
            save_torch(envelope(result), temporary)
    if result.target.name == 'timm':
        _write_text(card_path, card)
    return result


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
