"""The encoder of a run, exported while it trains."""
from pathlib import Path
from typing import Any

from torch import nn

from amd_mm.checkpoints.reading import Checkpoint
from amd_mm.export import Options, convert_weights
from amd_mm.export.convert import said_facts
from amd_mm.export.model_card import model_card
from amd_mm.export.writing import own_storage, replacing, save_safetensors

NAME = 'encoder.safetensors'


def export_encoder(model: nn.Module, config: str, work_dir: str | Path) -> dict[str, Any]:
    """Write ``encoder.safetensors`` and its card beside the checkpoints, each whole or not at all.

    Args:
        model: With a backbone of ours, not inside a distributed wrapper.
        config: Of the run, as text.
        work_dir: Where to.

    Returns:
        ``file`` and ``bytes``.

    Raises:
        ValueError: If the network has no place in the layout, or the disk refuses.
    """
    path = Path(work_dir, NAME)
    state = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    checkpoint = Checkpoint(state, dict(meta=dict(cfg=config)), path=Path(work_dir, 'checkpoint'))
    result = convert_weights(checkpoint, Options(target='amd_mm', part='encoder'))
    with replacing(path) as temporary:
        save_safetensors(own_storage(result.weights), temporary, said_facts(result))
    with replacing(path.with_name(f'{NAME}.md')) as temporary:
        temporary.write_text(model_card(result, 'amd_mm'), encoding='utf-8')
    return dict(file=NAME, bytes=path.stat().st_size)
