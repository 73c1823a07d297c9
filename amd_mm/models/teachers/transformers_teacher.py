"""Teachers of Transformers: DINOv2, DINOv3, CLIP, SigLIP, ViT, MAE, BEiT, V-JEPA 2, VideoMAE."""
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from mmengine.utils import to_2tuple
from torch import Tensor, nn

from amd_mm.checkpoints import Checkpoint, read_checkpoint
from amd_mm.checkpoints.facts import facts_of
from amd_mm.models.teachers.base import (
    STATISTICS,
    agreed_statistics,
    check_taps,
    pixel_statistics,
    warn_of_random_weights,
)
from amd_mm.models.teachers.image_teacher import ImageTeacher
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenGrid, gather_tokens, split_prefix
from amd_mm.values import FLAG, MAPPING, instance, list_of, one_of, optional, takes, whole

# What is fetched of an address.
_FILES = ('config.json', '*preprocessor_config.json', 'model*.safetensors',
          'model.safetensors.index.json')
# What comes after the blocks and is never read, by the names of its modules.
_UNREAD = ('head', 'pooler', 'predictor')
_NORMS = ('layernorm', 'norm', 'post_layernorm')


class _Kind(NamedTuple):
    """What a class of Transformers does not say of itself.

    Attributes:
        network: Its name.
        class_token: Whether there is one.
        gathers: Whether its positions can be gathered with the tokens.
        settings: Of its constructor, which leave out what is behind the blocks.
    """
    network: str
    class_token: bool = True
    gathers: bool = True
    settings: dict[str, Any] = {}  # noqa: RUF012  never changed


_NO_POOLER = dict(add_pooling_layer=False)
# By the model_type of a config.
_KINDS = {
    'dinov2': _Kind('Dinov2Model'),
    'dinov2_with_registers': _Kind('Dinov2WithRegistersModel'),
    'dinov3_vit': _Kind('DINOv3ViTModel'),
    'clip_vision_model': _Kind('CLIPVisionModel'),
    'siglip_vision_model': _Kind('SiglipVisionModel', class_token=False),
    'vit': _Kind('ViTModel', settings=_NO_POOLER),
    'vit_mae': _Kind('ViTMAEModel'),
    'vit_msn': _Kind('ViTMSNModel'),
    'ijepa': _Kind('IJepaModel', class_token=False),
    'beit': _Kind('BeitModel', gathers=False, settings=_NO_POOLER),
    'data2vec-vision': _Kind('Data2VecVisionModel', gathers=False),
    'vjepa2': _Kind('VJEPA2Model', class_token=False),
    'videomae': _Kind('VideoMAEModel', class_token=False),
}
# Of these the vision tower is read.
_WITH_TEXT = ('clip', 'siglip')


@MODELS.register_module()
class TransformersTeacher(ImageTeacher):
    """An encoder of patches of Transformers, built and read by Transformers itself, from a folder.

    DINOv2 (with and without registers), DINOv3, CLIP, SigLIP, ViT, MAE, MSN, I-JEPA, BEiT and
    data2vec see pictures; V-JEPA 2 and VideoMAE see clips. It attends over the tokens that it is
    told to see, except where positions are relative (BEiT, data2vec), pictures stand for clips or
    ``match='interpolate'``: then it needs them all, ``teacher_ratio=0``. A class token stays.
    Blocks behind the deepest tap are not kept.

    Args:
        taps: Blocks, counted from 1, whose outputs are the features.
        checkpoint: A folder with ``config.json`` and ``model.safetensors`` or ``pytorch_model.bin``
            (read safely, loaded strictly; of CLIP and SigLIP the vision tower is read), or
            ``'hf://OWNER/NAME'``, which downloads. It has to be given; None asks for random weights
            and warns.
        architecture: For ``checkpoint=None``, what ``config.json`` would say; else None.
        normalize: Whether features go through the network's final norm; False: raw outputs of the
            blocks.
        registers: As in :class:`amd_mm.TimmTeacher`.
        match: As in :class:`amd_mm.TimmTeacher`; None for a teacher of clips.
        frames: As in :class:`amd_mm.TimmTeacher`; None for a teacher of clips.
        mean, std: Of the pixels that it was trained on, one a channel, 0-255. None: as its folder
            says, else those of its input.
        input_mean, input_std: Of the pixels that it is given; filled in by the algorithm.
        shard: As in :class:`amd_mm.FrozenTeacher`.
        student_grid: The tokens of the student; filled in by the algorithm.

    Raises:
        ValueError: If the folder is missing, wants code of its own, is of another kind or does not
            fit its weights, or a setting does not fit the student.
    """

    @takes(
        taps=list_of(whole(1)),
        checkpoint=optional(instance((str, Path), 'a path')),
        architecture=optional(MAPPING),
        normalize=FLAG,
        registers=one_of('drop', 'align'),
        match=one_of(None, 'interpolate'),
        frames=one_of(None, 'first', 'mean'),
        shard=FLAG,
        student_grid=optional(instance(TokenGrid, 'a token grid')),
        **STATISTICS)
    def __init__(self,
                 taps: Sequence[int],
                 checkpoint: str | None = '',
                 architecture: dict | None = None,
                 normalize: bool = False,
                 registers: str = 'drop',
                 match: str | None = None,
                 frames: str | None = None,
                 mean: Sequence[float] | None = None,
                 std: Sequence[float] | None = None,
                 input_mean: Sequence[float] | None = None,
                 input_std: Sequence[float] | None = None,
                 shard: bool = False,
                 student_grid: TokenGrid | None = None) -> None:
        super().__init__()
        if checkpoint == '':
            raise ValueError(
                'The teacher has no checkpoint: set model.teacher.checkpoint=FOLDER '
                '(--cfg-options); tools/model_zoo.py says where teachers are published. '
                'checkpoint=None with an architecture gives random weights, for trials.')
        if (checkpoint is None) != (architecture is not None):
            raise ValueError(
                'architecture of amd_mm.TransformersTeacher belongs to checkpoint=None (a folder '
                f'has its own), got {architecture!r} with {checkpoint!r}: give one of the two.')
        read = None if checkpoint is None else _read(str(checkpoint))
        place = 'The architecture' if read is None else f'Checkpoint {checkpoint}'
        kind, config = _config(dict(read.config if read else architecture or {}), place)
        self.can_leave_out = kind.gathers
        patch, own_size = _cuts(config)
        self.fit(student_grid, patch, own_size, match, frames)
        self.taps = check_taps(taps, config.num_hidden_layers, 'teacher')
        config.num_hidden_layers = max(self.taps)
        _set_size(config, self._own_grid, own_size, place)
        self.channels = getattr(config, 'num_channels', getattr(config, 'in_chans', 3))
        self.embed_dims = config.hidden_size
        self.has_class_token = kind.class_token
        self.num_prefix_tokens = int(kind.class_token and frames is None)
        num_registers = getattr(config, 'num_register_tokens', 0)
        if registers == 'align':
            self.align_registers(num_registers, config.model_type)
        if read is None:
            warn_of_random_weights()
            with _quiet():
                network = _class(kind)(config, **kind.settings)
        else:
            network = _load(kind, config, read, normalize, place)
        self.network = _Reader(
            network, self.taps, self._own_grid, normalize,
            prefix=int(kind.class_token) + num_registers, place=place)
        own = pixel_statistics(mean, std, 'teacher')
        given = pixel_statistics(input_mean, input_std, "teacher's input")
        if read is not None:
            said = facts_of(read)
            if not (own.mean or said.mean):
                _warn_of_unsaid_pixels(place)
            own = agreed_statistics(own, said, given, str(checkpoint))
        self.settle(own, given, self.network if shard else None)

    def encode(self, pictures: Tensor,
               token_ids: Tensor | None) -> list[tuple[Tensor, Tensor]]:
        """As :meth:`ImageTeacher.encode`, by the network's own forward."""
        return [(tokens[:, :self.num_prefix_tokens], tokens[:, self.network.prefix:])
                for tokens in self.network(pictures, token_ids)]


class _Reader(nn.Module):
    """A network of Transformers that gives what is behind some blocks, of some tokens.

    Args:
        network: Its blocks are read until the last one.
        taps: Blocks, counted from 1.
        grid: Tokens of its input.
        normalize: Whether to give what the final norm makes of it.
        prefix: Tokens before those of patches.
        place: For messages.

    Raises:
        ValueError: If there is no final norm to go through.
    """

    def __init__(self, network: Any, taps: Sequence[int], grid: TokenGrid, normalize: bool,
                 prefix: int, place: str) -> None:
        super().__init__()
        rotates_in_blocks = network.config.model_type == 'vjepa2'
        self.network = network.encoder if rotates_in_blocks else network
        self.taps, self.grid, self.prefix = list(taps), grid, prefix
        self._depth = network.config.num_hidden_layers
        self._found: dict[int, Tensor] = {}
        self._token_ids: Tensor | None = None
        self._settings = _settings(self.network)
        norm = self._take_norm(normalize, place)
        self.network.embeddings.register_forward_hook(self._leave_out)
        if hasattr(self.network, 'rope_embeddings'):
            self.network.rope_embeddings.register_forward_hook(self._leave_out_rotations)
        for number, block in enumerate(self.blocks, 1):
            if rotates_in_blocks:
                block.register_forward_pre_hook(self._say_places)
            if number in self.taps:
                block.register_forward_hook(self._keeper(number, norm))

    @property
    def blocks(self) -> Any:
        """The network's list of blocks, wherever a version of Transformers has it."""
        return next(part for part in self.network.modules()
                    if isinstance(part, nn.ModuleList) and len(part) == self._depth)

    def forward(self, pictures: Tensor, token_ids: Tensor | None) -> list[Tensor]:
        """(B, prefix + K, D) at each tap; arguments as in :meth:`ImageTeacher.encode`."""
        self._token_ids = token_ids
        settings = dict(self._settings)
        if 'noise' in settings:  # MAE's masking, of nothing, in raster order
            settings['noise'] = torch.arange(
                self.grid.num_tokens, device=pictures.device).expand(len(pictures), -1)
        if self.grid.is_video:
            pictures = pictures.transpose(1, 2)
        self.network(pictures, **settings)
        found = [self._found[tap] for tap in self.taps]
        self._found.clear()
        return found

    def _take_norm(self, normalize: bool, place: str) -> Any:
        """The final norm, which stays where it is; without one to be read it is cut off."""
        name = next(name for name in _NORMS if hasattr(self.network, name))
        norm = getattr(self.network, name)
        if not normalize:
            if norm is not None:
                setattr(self.network, name, nn.Identity())
            return nn.Identity()
        if not isinstance(norm, nn.LayerNorm):
            raise ValueError(
                f'{place}: must have a norm behind the blocks for normalize=True, got none '
                '(use_mean_pooling in its config.json): set model.teacher.normalize=False.')
        return norm

    def _keeper(self, number: int, norm: nn.Module) -> Any:
        def keep(block: nn.Module, inputs: Any, output: Any) -> None:
            # While the network runs: where it is shared out, its norm is there only then.
            self._found[number] = norm(output[0] if isinstance(output, tuple) else output)
        return keep

    def _leave_out(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """What the embeddings give, of the tokens to be seen."""
        if self._token_ids is None:
            return output
        whole = output[0] if isinstance(output, tuple) else output
        prefix, patches = split_prefix(whole, self.prefix)
        kept = torch.cat([prefix, gather_tokens(patches, self._token_ids)], 1)
        return (kept, *output[1:]) if isinstance(output, tuple) else kept

    def _leave_out_rotations(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """DINOv3's cosines and sines (N, D), of the tokens to be seen: (B, 1, K, D)."""
        if self._token_ids is None:
            return output
        return tuple(part[self._token_ids][:, None] for part in output)

    def _say_places(self, module: nn.Module, inputs: Any) -> Any:
        """V-JEPA 2's blocks, told where their tokens are on its square of rows and columns."""
        tokens = inputs[0]
        _, rows, columns = self.grid.size
        if self._token_ids is None and rows == columns:
            return inputs
        ids = self._token_ids
        if ids is None:
            ids = torch.arange(tokens.shape[1], device=tokens.device).expand(len(tokens), -1)
        side = max(rows, columns)
        frame, row, column = ids // (rows * columns), ids // columns % rows, ids % columns
        return tokens, (frame * side + row) * side + column


def _transformers() -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            'amd_mm.TransformersTeacher needs transformers: pip install transformers') from error
    return transformers


def _class(kind: _Kind) -> Any:
    return getattr(_transformers(), kind.network)


def _settings(network: Any) -> dict[str, Any]:
    """What the network's forward is asked for, of what it knows."""
    wanted = dict(interpolate_pos_encoding=True, noise=None)
    return {name: value for name, value in wanted.items()
            if name in inspect.signature(network.forward).parameters}


def _read(path: str) -> Checkpoint:
    """A folder, nothing of which is executed.

    Raises:
        ValueError: If it is none of Transformers, or wants code of its own.
    """
    read = read_checkpoint(_download(path) if path.startswith('hf://') else path)
    if not read.config:
        raise ValueError(
            f'Checkpoint {path}: must be a folder of Transformers, with config.json beside the '
            'weights, got a file alone: amd_mm.FrozenTeacher and amd_mm.TimmTeacher read files.')
    if 'auto_map' in read.config:
        raise ValueError(
            f'Checkpoint {path}: must be of a class of Transformers, but its config.json wants '
            "code of its own (auto_map). Nothing was executed. amd_mm.FrozenTeacher reads VideoMAE "
            "V2's and InternVideo's folders with networks of ours.")
    return read


def _config(said: Mapping[str, Any], place: str) -> tuple[_Kind, Any]:
    """The kind of network, and its config as Transformers has it.

    Raises:
        ValueError: If it is of another kind, or not a config.
    """
    library = _transformers()
    name = str(said.get('model_type'))
    kind = None
    if name in (*_WITH_TEXT, *_KINDS):
        try:
            with _quiet():
                config = library.CONFIG_MAPPING[name].from_dict(dict(said))
        except Exception as error:  # whatever a damaged one leads to
            raise ValueError(f'{place}: Transformers cannot read its config.json ({error}). '
                             'Download it again.') from error
        if name in _WITH_TEXT:
            config = config.vision_config
        kind = _KINDS.get(config.model_type)
    if kind is None or not hasattr(library, kind.network):
        raise ValueError(
            f'{place}: must be an encoder of patches (model_type {", ".join(_WITH_TEXT)}, '
            f'{", ".join(_KINDS)}) that Transformers {library.__version__} has, got '
            f'{said.get("model_type")!r}.')
    # Torch's own attention, and none that a config asks to be fetched.
    config._attn_implementation = 'sdpa'
    config.vision_use_head = False  # of SigLIP
    config.mask_ratio = 0.  # of MAE
    return kind, config


def _cuts(config: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pixels of a token and of the network's own input: ((frames,) rows, columns)."""
    patch = to_2tuple(config.patch_size)
    size = to_2tuple(config.crop_size if config.model_type == 'vjepa2' else config.image_size)
    if not hasattr(config, 'tubelet_size'):
        return tuple(patch), tuple(size)
    frames = (config.frames_per_clip if config.model_type == 'vjepa2' else config.num_frames)
    return (config.tubelet_size, *patch), (frames, *size)


def _set_size(config: Any, grid: TokenGrid, own_size: tuple[int, ...], place: str) -> None:
    """Fit an encoder of clips to its input; those of pictures take any size.

    Raises:
        ValueError: If it has positions of one size alone.
    """
    if config.model_type == 'vjepa2':
        config.frames_per_clip = grid.input_size[0]
        # It counts rows and columns on a square.
        config.crop_size = max(grid.size[1:]) * grid.patch[-1]
    elif config.model_type == 'videomae' and grid.input_size != own_size:
        own = TokenGrid.of_input(own_size, grid.patch)
        raise ValueError(
            f'{place}: VideoMAE in Transformers has positions of {own.size} tokens alone (frames, '
            f'rows, columns), got a student of {grid.size}: change img_size or num_frames of the '
            'student, or take amd_mm.FrozenTeacher, which reads the folder at any size.')


def _load(kind: _Kind, config: Any, read: Checkpoint, normalize: bool, place: str) -> Any:
    """The network with the folder's weights, under whatever names Transformers knows them.

    Raises:
        ValueError: If a weight that is read is missing, left over or of another shape.
    """
    with _quiet():
        try:
            network, info = _class(kind).from_pretrained(
                None, config=config, state_dict=dict(read.state_dict), dtype=torch.float32,
                output_loading_info=True, **kind.settings)
        except Exception as error:  # whatever weights of another network lead to
            raise _wrong(kind, place, str(error)) from error
    unread = _UNREAD if normalize else (*_UNREAD, *_NORMS)
    problems = {
        'missing are': [name for name in info['missing_keys'] if _is_read(name, network, unread)],
        'left over are': [name for name in info['unexpected_keys']
                          if _is_read(name, network, unread)],
        'of another shape are': list(map(str, info['mismatched_keys']))}
    if any(problems.values()):
        raise _wrong(kind, place, '; '.join(
            f'{what} {", ".join(sorted(names)[:5])}' for what, names in problems.items() if names))
    return network


def _is_read(name: str, network: Any, unread: tuple[str, ...]) -> bool:
    """Whether a weight is of the embeddings, the kept blocks, or a norm that is read."""
    for prefix in (network.base_model_prefix, 'vision_model'):
        name = name.removeprefix(f'{prefix}.')
    parts = name.split('.')
    if network.config.model_type == 'vjepa2' and parts[0] == 'encoder':
        parts = parts[1:]
    later = any(part.isdigit() and int(part) >= network.config.num_hidden_layers
                for part in parts[:3])
    tops = {top for top, _ in [*network.named_children(), *network.named_parameters(recurse=False)]}
    return (parts[0] in tops | {'embeddings', 'layer'} and parts[0] not in unread and not later
            and parts[-1] not in ('mask_token', 'position_ids'))


def _warn_of_unsaid_pixels(place: str) -> None:
    warnings.warn(
        f'{place}: has no preprocessor_config.json, so what its pixels were normalised with is not '
        'known: it is given them as the student is. Set model.teacher.mean and std (0-255); those '
        'of CLIP, SigLIP, ViT and BEiT are not ImageNet\'s.', stacklevel=3)


def _wrong(kind: _Kind, place: str, problems: str) -> ValueError:
    return ValueError(f'{place}: its weights must be those of a {kind.network} as its config.json '
                      f'describes it, but {problems.strip()[:500]}. Download the folder again.')


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Transformers' reports and bars off the screen: what matters is raised."""
    logging = _transformers().logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _download(address: str) -> str:
    name = address.removeprefix('hf://')
    try:
        from huggingface_hub import snapshot_download
        return snapshot_download(name, allow_patterns=list(_FILES))
    except Exception as error:  # of the hub's library, of the network below it
        reason = str(error).strip().partition('\n')[0]
        raise ValueError(
            f'Checkpoint {address}: could not be downloaded ({reason[:200]}). On a machine that '
            f'can, fetch config.json, preprocessor_config.json and model.safetensors of {name} '
            'into one folder, copy it here and set model.teacher.checkpoint=FOLDER.') from error
