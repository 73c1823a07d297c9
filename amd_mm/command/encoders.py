"""Checkpoints of encoders: where one of a published name is, and what a config says of it."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from amd_mm.checkpoints import Architecture, read_checkpoint
from amd_mm.checkpoints.architecture import heads_of
from amd_mm.config_keys import nearest
from amd_mm.export.foundation import FOUNDATION, Foundation, foundations_like
from amd_mm.export.zoo import ZOO, identify
from amd_mm.models.backbones import ImageVisionTransformer

# Where files of published names are looked for.
ZOO_FOLDER = Path('models')


class Encoder(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        file: The file or folder, absolute.
        net: Of an encoder in a layout of ours; None for one of a library.
        foundation: Of one of a library; else None.
        is_folder: Whether it is a folder of Transformers.
    """
    file: Path
    net: Architecture | None
    foundation: Foundation | None
    is_folder: bool

    @property
    def depth(self) -> int:
        """Number of blocks."""
        known = self.net or self.foundation
        assert known is not None
        return known.depth


def find_encoder(name: str | Path, option: str) -> Encoder:
    """Look at a file or folder, or at that of a published name.

    Args:
        name: The path, or a name of the zoo.
        option: Which names it, for messages.

    Raises:
        ValueError: If there is none, or it is no encoder that is known.
    """
    file = Path(name).expanduser()
    if not file.exists():
        file = _zoo_file(str(name), option)
    file = file.absolute()
    checkpoint = read_checkpoint(file)
    is_folder = 'model_type' in checkpoint.config
    alike = foundations_like(checkpoint.state_dict)
    try:
        match, net = identify(checkpoint)
    except ValueError:
        if not alike:
            raise
        return Encoder(file, None, _named(alike, file), is_folder)
    if alike and match.unexplained:
        return Encoder(file, None, _named(alike, file), is_folder)
    return Encoder(file, net, None, is_folder)


def depth_of(backbone: Mapping[str, Any]) -> int:
    """Blocks of a backbone's config."""
    return _size(backbone)[1]


def backbone_settings(net: Architecture, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What a backbone of ours has to say to be this encoder, beside what a recipe's says already.

    Its input and patches are left to ``size``, ``frames`` and ``patch``.
    """
    settings: dict[str, Any] = {}
    if _size(recipe) != (net.width, net.depth, heads_of(net), net.mlp_width):
        if net.modality == 'image':
            # In the place of a name.
            settings['arch'] = dict(
                _delete_=True, embed_dims=net.width, num_layers=net.depth, num_heads=heads_of(net),
                feedforward_channels=net.mlp_width)
        else:
            settings.update(embed_dims=net.width, depth=net.depth, num_heads=heads_of(net))
            if net.mlp_width != 4 * net.width or 'mlp_ratio' in recipe:
                settings['mlp_ratio'] = net.mlp_width / net.width
    if net.modality == 'video' and net.tubelet != recipe.get('tubelet_size', 2):
        settings['tubelet_size'] = net.tubelet
    return settings


def _size(backbone: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Width, blocks, heads and width of the MLPs."""
    if 'embed_dims' in backbone:
        width = backbone['embed_dims']
        return (width, backbone['depth'], backbone['num_heads'],
                round(width * backbone.get('mlp_ratio', 4.)))
    arch = backbone.get('arch', 'base')
    arch = ImageVisionTransformer.arch_zoo[arch] if isinstance(arch, str) else arch
    return (arch['embed_dims'], arch['num_layers'], arch['num_heads'],
            arch['feedforward_channels'])


def _named(alike: list[Foundation], file: Path) -> Foundation:
    """Of networks that no shape tells apart the one whose name the file bears, else the first."""
    return next((entry for entry in alike if entry.name in str(file)), alike[0])


def _zoo_file(name: str, option: str) -> Path:
    names = [entry.name for entry in ZOO] + [entry.name for entry in FOUNDATION]
    if name not in names:
        meant = nearest(name, names)
        raise ValueError(
            f'{option} must be a file, a folder or a name of the zoo, got {name!r}'
            + (f'; did you mean {meant}?' if meant else
               '; check the path, or see amd-mm zoo list'))
    found = [path for path in sorted(ZOO_FOLDER.glob(f'{name}*'))
             if path.name == name or path.name.removeprefix(name).startswith('.')]
    if found:
        return found[0]
    raise ValueError(
        f'{option} {name}: its file must be at hand, as {ZOO_FOLDER}/{name}.* in the current '
        'folder, but is not; amd-mm zoo list says where its authors publish it')
