"""The recipes in configs/, and how they become small enough for a test."""
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import Config

from amd_mm.models.backbones import ImageVisionTransformer

CONFIGS = Path(__file__).parents[2] / 'configs'
FOLDERS = ('amd', 'dmae', 'mae', 'videomae')
RECIPES = sorted(path for folder in FOLDERS for path in (CONFIGS / folder).glob('*.py'))
# Other methods of masked distillation, and other teachers.
FAMILY = sorted((CONFIGS / 'family').glob('*.py'))
# Width, blocks, heads, as in the papers.
ENCODERS = dict(small=(384, 12, 6), base=(768, 12, 12), large=(1024, 24, 16))


def nodes(value: Any) -> Iterator[dict]:
    """Every dictionary in a config, outer ones first."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from nodes(item)


def encoder_size(backbone: dict) -> tuple[int, int, int]:
    """Width, blocks and heads of a backbone's config."""
    if 'arch' in backbone:
        arch = ImageVisionTransformer.arch_zoo[backbone['arch']]
        assert arch['feedforward_channels'] == 4 * arch['embed_dims']
        return arch['embed_dims'], arch['num_layers'], arch['num_heads']
    return backbone['embed_dims'], backbone['depth'], backbone['num_heads']


def shorten(cfg: Config) -> None:
    """One epoch at the full rate, without warm-up; in place."""
    cfg.train_cfg.max_epochs = 1
    cfg.param_scheduler = None


def shrink(cfg: Config, blocks: int = 3) -> None:
    """Widths / 16, blocks and taps / 3, 4 x 4 patches, 4 frames, one data process; in place.

    Heads (where they divide the width), patches, ratios and whatever else a recipe says stay.
    Teachers get the random weights that a recipe must not have; those of timm become small by
    :func:`small_timm`.

    Args:
        cfg: A recipe.
        blocks: What the numbers of blocks and taps are divided by.
    """
    side = 4 * cfg.model.backbone.get('patch_size', 16)
    for node in list(nodes(cfg._cfg_dict)):
        if 'arch' in node:
            width, depth, heads = encoder_size(node)
            node.arch = dict(embed_dims=width // 16, num_layers=depth // blocks, num_heads=heads,
                             feedforward_channels=width // 4)
        if 'embed_dims' in node and 'num_layers' not in node:
            node.embed_dims //= 16
            node.num_heads = math.gcd(node.num_heads, node.embed_dims)
        for key in ('depth', 'generator_depth'):
            if key in node:
                node[key] = max(1, node[key] // blocks)
        if node.get('taps'):
            node.taps = tuple(tap // blocks for tap in node.taps)
        for key in ('img_size', 'scale'):
            if key in node:
                node[key] = (side, side) if isinstance(node[key], (list, tuple)) else side
        for key in ('num_frames', 'clip_len'):
            if key in node:
                node[key] = 4
        if 'num_workers' in node:
            node.update(num_workers=0, persistent_workers=False)
        if str(node.get('type')).endswith('Teacher'):
            node.checkpoint = None


def small_timm(monkeypatch: Any) -> None:
    """Let timm build narrow networks; their depths and kinds of blocks stay."""
    import timm

    monkeypatch.setattr(timm, 'create_model', partial(
        timm.create_model, embed_dim=32, num_heads=4))
