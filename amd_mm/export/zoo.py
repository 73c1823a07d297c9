"""Published encoders that the recipes name: where their authors publish them, and what is inside.

Only what the authors' pages and code say; no sizes, hashes or results of ours. Files are
downloaded by hand, because some are behind forms and none is mirrored here.
"""
from dataclasses import dataclass

from amd_mm.checkpoints.architecture import Architecture, architecture_of
from amd_mm.checkpoints.canonical import match_layout
from amd_mm.checkpoints.matching import Match, assemble, require_complete
from amd_mm.checkpoints.reading import Checkpoint

_VIDEOMAE = 'https://github.com/MCG-NJU/VideoMAE/blob/main/MODEL_ZOO.md'
_VIDEOMAE_V2 = 'https://github.com/OpenGVLab/VideoMAEv2/blob/master/docs/MODEL_ZOO.md'
_AMD = 'https://github.com/MCG-NJU/AMD/blob/master/docs/MODEL_ZOO.md'
_MAE = 'https://dl.fbaipublicfiles.com/mae'
_DMAE = 'https://github.com/UCSC-VLAA/DMAE'
_INTERNVIDEO = 'https://github.com/OpenGVLab/InternVideo/blob/main/InternVideo1/README.md'

# As the authors' repositories say, and in which file; AMD's has none.
_LICENCES = {
    _VIDEOMAE: 'CC-BY-NC-4.0, the majority (README.md)', _VIDEOMAE_V2: 'MIT (LICENSE)',
    _INTERNVIDEO: 'Apache-2.0 (LICENSE)', _DMAE: 'CC-BY-NC-4.0 (LICENSE)',
    _MAE: 'CC-BY-NC-4.0 (LICENSE of github.com/facebookresearch/mae)'}

# Pixel targets (amd_mm.PixelHead normalize=...), in words.
PER_TOKEN_CHANNEL = 'normalised, per channel of a token'
PER_TOKEN = 'normalised, over a token'
PLAIN = 'plain pixels'
LABELS = 'labels (fine-tuned or distilled)'
UNSTATED = 'pixels, normalisation not stated'


@dataclass(frozen=True)
class Published:
    """A published checkpoint.

    Attributes:
        name: A short name of ours.
        source: Where its authors publish it.
        layout: Name of its layout; None: not stated.
        modality, width, depth, patch: Of its encoder.
        frames, tubelet: Of the clips it was trained on, 1 for images.
        has_decoder: Whether the pixel decoder is inside; None: not stated.
        target: What it was trained to predict.
        used_by: Recipes whose teacher it is.
    """

    name: str
    source: str
    layout: str | None
    modality: str
    width: int
    depth: int
    patch: int
    frames: int
    tubelet: int
    has_decoder: bool | None
    target: str
    used_by: str = ''

    @property
    def licence(self) -> str:
        """As the authors' repository says, and in which file."""
        return next((licence for source, licence in _LICENCES.items()
                     if self.source.startswith(source)), 'not stated')


def _video(name: str, source: str, width: int, depth: int, *, has_decoder: bool | None = True,
           target: str = PER_TOKEN_CHANNEL, patch: int = 16, used_by: str = '') -> Published:
    return Published(name, source, 'videomae', 'video', width, depth, patch, 16, 2, has_decoder,
                     target, used_by)


def _image(name: str, source: str, width: int, depth: int, has_decoder: bool | None, target: str,
           patch: int = 16, used_by: str = '', layout: str | None = 'mae') -> Published:
    return Published(name, source, layout, 'image', width, depth, patch, 1, 1, has_decoder,
                     target, used_by)


def _mae(size: str, width: int, depth: int, patch: int = 16, used_by: str = '',
         plain_used_by: str = '') -> tuple[Published, ...]:
    stem = f'{_MAE}/pretrain/mae_pretrain_vit_{size}'
    return (
        _image(f'mae-{size}', f'{stem}.pth', width, depth, False, PER_TOKEN, patch, used_by),
        # github.com/facebookresearch/mae/issues/8 and /issues/3.
        _image(f'mae-{size}-full', f'{stem}_full.pth', width, depth, True, PER_TOKEN, patch,
               used_by),
        _image(f'mae-{size}-visualize', f'{_MAE}/visualize/mae_visualize_vit_{size}.pth', width,
               depth, True, PLAIN, patch, plain_used_by))


ZOO = (
    _video('videomae-large-k400', _VIDEOMAE, 1024, 24, used_by='amd/ on Kinetics-400'),
    _video('videomae-large-ssv2',
           'named in the scripts of https://github.com/MCG-NJU/AMD, in no public list; '
           'train one with configs/videomae or ask its authors', 1024, 24,
           used_by='amd/ on Something-Something V2'),
    _video('videomae-base-k400', _VIDEOMAE, 768, 12),
    _video('videomae-base-ssv2', _VIDEOMAE, 768, 12),
    _video('videomae-large-k400-finetuned', _VIDEOMAE, 1024, 24, has_decoder=False,
           target=LABELS),
    _video('videomae-base-k400-finetuned', _VIDEOMAE, 768, 12, has_decoder=False,
           target=LABELS),
    _video('videomae-v2-giant', f'{_VIDEOMAE_V2} (by request)', 1408, 40, patch=14,
           has_decoder=None),
    _video('videomae-v2-small-distilled', _VIDEOMAE_V2, 384, 12, has_decoder=False,
           target=LABELS),
    _video('videomae-v2-base-distilled', _VIDEOMAE_V2, 768, 12, has_decoder=False,
           target=LABELS),
    # VideoMAE's own networks, pre-trained on other videos.
    _video('internvideo-videomae-base', _INTERNVIDEO, 768, 12, has_decoder=None),
    _video('internvideo-videomae-large', _INTERNVIDEO, 1024, 24, has_decoder=None),
    _video('internvideo-videomae-huge', _INTERNVIDEO, 1280, 32, has_decoder=None),
    _video('amd-small', _AMD, 384, 12),
    _video('amd-base', _AMD, 768, 12),
    *_mae('base', 768, 12),
    *_mae('large', 1024, 24, used_by='amd/ on ImageNet-1K',
          # By this name in DMAE's pretrain.sh; its README links a copy.
          plain_used_by='dmae/ on ImageNet-1K, as released'),
    *_mae('huge', 1280, 32, patch=14),
    # Weights on a public drive, and no code that would tell their names.
    _image('amd-small-in1k', _AMD, 384, 12, None, UNSTATED, layout=None),
    _image('amd-base-in1k', _AMD, 768, 12, None, UNSTATED, layout=None),
    _image('dmae-base', _DMAE, 768, 12, None, PLAIN),
)


def identify(checkpoint: Checkpoint) -> tuple[Match, Architecture]:
    """Layout, keys and encoder of a file, whatever else is in it.

    Raises:
        ValueError: If no layout fits or the encoder is not complete.
    """
    state, match = match_layout(checkpoint)
    require_complete(match.sources)
    return match, architecture_of(assemble(state, match), checkpoint)


def resembling(match: Match, net: Architecture) -> list[Published]:
    """Published checkpoints whose layout, encoder and parts are those of a file.

    Weights of one kind look alike: which data they were trained on, no shape tells.
    """
    has_decoder = any(name.startswith('decoder.') for name in match.sources)
    return [entry for entry in ZOO if (
        entry.modality, entry.width, entry.depth, entry.patch, entry.tubelet) == (
            net.modality, net.width, net.depth, net.patch, net.tubelet)
            and entry.layout in (None, match.layout.name)
            and entry.has_decoder in (None, has_decoder)]
