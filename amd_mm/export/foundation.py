"""Foundation encoders that a library builds: where they are, under which licence, what reads them.

What stands here is what the authors' pages and code say (the repository of ``source``), and of a
network what timm's entry says, to which a test holds it. Nothing is mirrored or downloaded here.
"""
import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from amd_mm.checkpoints.facts import IMAGENET

# Where a licence stands in the repository of the source.
_DINOV3_LICENCE = "DINOv3 License, Meta's own (LICENSE.md)"
_BIG_VISION = 'Apache-2.0, models included (README.md)'
_SIGLIP2 = 'Apache-2.0, what is no software CC-BY-4.0 (README_siglip2.md)'
_VJEPA = 'MIT, some files Apache-2.0 (README.md)'

Statistics = tuple[tuple[float, ...], tuple[float, ...]]
# Mean and deviation of pixels, 0-255.
_CLIP: Statistics = (
    tuple(255 * value for value in (.48145466, .4578275, .40821073)),
    tuple(255 * value for value in (.26862954, .26130258, .27577711)))
_HALF: Statistics = ((127.5, ) * 3, (127.5, ) * 3)
_SATELLITE: Statistics = (
    tuple(255 * value for value in (.43, .411, .296)),
    tuple(255 * value for value in (.213, .156, .143)))


@dataclass(frozen=True)
class Foundation:
    """A published encoder that ``amd_mm.TimmTeacher`` or ``TransformersTeacher`` reads.

    Attributes:
        name: A short name of ours.
        source: Where its authors publish it.
        licence: As their repository says, and in which file.
        width, depth, patch: Of its encoder.
        size: Pixels of a side of the pictures or frames that it is built for.
        statistics: Mean and deviation of its input, 0-255.
        registers: Register tokens.
        class_token: Whether there is one.
        tubelet: Frames a token, 1 for pictures.
        timm: timm's architecture and tag, ``'NAME.TAG'``; empty: timm has none.
        folder: Repository of its Transformers folder on the hub; empty: none is listed here.
    """

    name: str
    source: str
    licence: str
    width: int
    depth: int
    patch: int
    size: int
    statistics: Statistics = IMAGENET
    registers: int = 0
    class_token: bool = True
    tubelet: int = 1
    timm: str = ''
    folder: str = ''

    @property
    def architecture(self) -> str:
        """What ``model.teacher.architecture`` of ``amd_mm.TimmTeacher`` is set to."""
        return self.timm.partition('.')[0]

    @property
    def hub(self) -> str:
        """The repository of timm with its weights; networks with either GELU share one."""
        return f'timm/{self.timm.replace("_quickgelu", "")}'


def _dinov2(size: str, width: int, depth: int) -> tuple[Foundation, ...]:
    # Giants have 40 blocks; MODEL_CARD.md, and dinov2/models/vision_transformer.py.
    source, licence = 'https://github.com/facebookresearch/dinov2', 'Apache-2.0 (LICENSE)'
    return tuple(
        Foundation(f'dinov2-{size}{ours}', source, licence, width, depth, 14, 518,
                   registers=registers, timm=f'vit_{size}_patch14{theirs}_dinov2.lvd142m',
                   folder=f'facebook/dinov2{hub}-{size}')
        for ours, theirs, hub, registers in (
            ('', '', '', 0), ('-registers', '_reg4', '-with-registers', 4)))


def _dinov3(size: str, hub: str, width: int, depth: int, data: str = 'lvd1689m',
            statistics: Statistics = IMAGENET) -> Foundation:
    name = size.replace('_', '-') + ('-satellite' if data == 'sat493m' else '')
    return Foundation(
        f'dinov3-{name}', 'https://github.com/facebookresearch/dinov3', _DINOV3_LICENCE, width,
        depth, 16, 256, statistics, registers=4,
        timm=f'vit_{size}_patch16_dinov3.{data}', folder=f'facebook/dinov3-{hub}-pretrain-{data}')


def _clip(size: str, width: int, depth: int, patch: int, pixels: int = 224) -> Foundation:
    # The authors' own files are TorchScript archives, which hold code and are not read.
    at = '' if pixels == 224 else f'-{pixels}'
    return Foundation(
        f'clip-{size}-{patch}{at}', 'https://github.com/openai/CLIP', 'MIT (LICENSE)', width, depth,
        patch, pixels, _CLIP, timm=f'vit_{size}_patch{patch}_clip_quickgelu_{pixels}.openai',
        folder=f'openai/clip-vit-{size}-patch{patch}{at}')


def _siglip(size: str, width: int, depth: int, patch: int, pixels: int,
            version: str = '') -> Foundation:
    return Foundation(
        f'siglip{version}-{size}', 'https://github.com/google-research/big_vision',
        _SIGLIP2 if version else _BIG_VISION, width, depth, patch, pixels, _HALF, class_token=False,
        timm=f'vit_{size}_patch{patch}_siglip_{pixels}.{"v2_" if version else ""}webli',
        folder=f'google/siglip{version}-{size}-patch{patch}-{pixels}')


def _eva02(size: str, width: int, depth: int, data: str) -> Foundation:
    return Foundation(
        f'eva02-{size}', 'https://github.com/baaivision/EVA', 'MIT (LICENSE)', width, depth, 14,
        224, _CLIP, timm=f'eva02_{size}_patch14_224.{data}')


def _vjepa2(size: str, short: str, width: int, depth: int, pixels: int = 256) -> Foundation:
    at = '' if pixels == 256 else f'-{pixels}'
    return Foundation(
        f'vjepa2-{size}{at}', 'https://github.com/facebookresearch/vjepa2', _VJEPA, width, depth,
        16, pixels, class_token=False, tubelet=2, folder=f'facebook/vjepa2-{short}-fpc64-{pixels}')


FOUNDATION = (
    *_dinov2('small', 384, 12), *_dinov2('base', 768, 12), *_dinov2('large', 1024, 24),
    *_dinov2('giant', 1536, 40),
    _dinov3('small', 'vits16', 384, 12), _dinov3('small_plus', 'vits16plus', 384, 12),
    _dinov3('base', 'vitb16', 768, 12), _dinov3('large', 'vitl16', 1024, 24),
    _dinov3('large', 'vitl16', 1024, 24, 'sat493m', _SATELLITE),
    _dinov3('huge_plus', 'vith16plus', 1280, 32), _dinov3('7b', 'vit7b16', 4096, 40),
    _clip('base', 768, 12, 32), _clip('base', 768, 12, 16), _clip('large', 1024, 24, 14),
    _clip('large', 1024, 24, 14, 336),
    _siglip('base', 768, 12, 16, 224), _siglip('large', 1024, 24, 16, 256),
    _siglip('so400m', 1152, 27, 14, 384),
    _siglip('base', 768, 12, 16, 224, '2'), _siglip('large', 1024, 24, 16, 256, '2'),
    _siglip('so400m', 1152, 27, 16, 256, '2'),
    _eva02('base', 768, 12, 'mim_in22k'), _eva02('large', 1024, 24, 'mim_m38m'),
    _vjepa2('large', 'vitl', 1024, 24), _vjepa2('huge', 'vith', 1280, 32),
    _vjepa2('giant', 'vitg', 1408, 40), _vjepa2('giant', 'vitg', 1408, 40, 384),
)

_PATCH = re.compile(
    r'(?P<before>.*?)(embeddings\.patch_embed\w*(\.proj(ection)?)?|patch_embed\.proj)\.weight')
_BLOCK = re.compile(r'(encoder\.)?(blocks|layers?)\.(\d+)\.')


def foundations_like(state: Mapping[str, Tensor]) -> list[Foundation]:
    """Those whose width, depth, patch and tokens are those of weights under a library's names.

    Weights of one kind look alike: which data they were trained on, no shape tells.
    """
    found = [(name, match['before']) for name, value in state.items()
             if (match := _PATCH.fullmatch(name)) and value.ndim in (4, 5)]
    if len(found) != 1:
        return []
    (patch_name, prefix), = found
    patch = state[patch_name]
    names = {name.removeprefix(prefix): value.shape for name, value in state.items()
             if name.startswith(prefix)}
    depth = 1 + max((int(block[3]) for name in names if (block := _BLOCK.match(name))), default=-1)
    registers = next((shape[-2] for name, shape in names.items()
                      if re.search(r'(reg|register|storage)_tokens?$', name)), 0)
    class_token = any(name.endswith(('cls_token', 'class_embedding')) for name in names)
    tubelet = patch.shape[2] if patch.ndim == 5 else 1
    return [entry for entry in FOUNDATION if (
        entry.width, entry.depth, entry.patch, entry.tubelet, entry.registers, entry.class_token)
        == (patch.shape[0], depth, patch.shape[-1], tubelet, registers, class_token)]
