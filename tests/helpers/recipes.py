"""The recipes in configs/, and how they become small enough for a test."""
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from amd_mm.models.backbones import ImageVisionTransformer

CONFIGS = Path(__file__).parents[2] / 'configs'
FOLDERS = ('amd', 'dmae', 'mae', 'videomae')
RECIPES = sorted(path for folder in FOLDERS for path in (CONFIGS / folder).glob('*.py'))
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


def shrink(cfg: Config) -> None:
    """Widths / 16, blocks and taps / 3, 64 x 64 pixels, 4 frames, one data process; in place.

    Heads, patches, ratios and whatever else a recipe says stay. Teachers get the random
    weights that a recipe must not have.
    """
    for node in list(nodes(cfg._cfg_dict)):
        if 'arch' in node:
            width, depth, heads = encoder_size(node)
            node.arch = dict(embed_dims=width // 16, num_layers=depth // 3, num_heads=heads,
                             feedforward_channels=width // 4)
        if 'embed_dims' in node and 'num_layers' not in node:
            node.embed_dims //= 16
        for key in ('depth', 'generator_depth'):
            if key in node:
                node[key] = max(1, node[key] // 3)
        if node.get('taps'):
            node.taps = tuple(tap // 3 for tap in node.taps)
        for key in ('img_size', 'scale'):
            if key in node:
                node[key] = (64, 64) if isinstance(node[key], (list, tuple)) else 64
        for key in ('num_frames', 'clip_len'):
            if key in node:
                node[key] = 4
        if 'num_workers' in node:
            node.update(num_workers=0, persistent_workers=False)
    teachers = cfg.model.get('teacher', [])
    for teacher in [teachers] if isinstance(teachers, dict) else [one.teacher for one in teachers]:
        teacher.checkpoint = None
