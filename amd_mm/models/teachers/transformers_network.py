"""Networks of Transformers: which kinds teach, and a folder to a network with its weights."""
import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import torch
from mmengine.utils import to_2tuple

from amd_mm.checkpoints import Checkpoint, read_checkpoint
from amd_mm.tokens import TokenGrid

# What is fetched of an address.
_FILES = ('config.json', '*preprocessor_config.json', 'model*.safetensors',
          'model.safetensors.index.json')
# What comes after the blocks and is never read, by the names of its modules.
_UNREAD = ('head', 'pooler', 'predictor')
NORMS = ('layernorm', 'norm', 'post_layernorm')


class Kind(NamedTuple):
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
    'dinov2': Kind('Dinov2Model'),
    'dinov2_with_registers': Kind('Dinov2WithRegistersModel'),
    'dinov3_vit': Kind('DINOv3ViTModel'),
    'clip_vision_model': Kind('CLIPVisionModel'),
    'siglip_vision_model': Kind('SiglipVisionModel', class_token=False),
    'vit': Kind('ViTModel', settings=_NO_POOLER),
    'vit_mae': Kind('ViTMAEModel'),
    'vit_msn': Kind('ViTMSNModel'),
    'ijepa': Kind('IJepaModel', class_token=False),
    'beit': Kind('BeitModel', gathers=False, settings=_NO_POOLER),
    'data2vec-vision': Kind('Data2VecVisionModel', gathers=False),
    'vjepa2': Kind('VJEPA2Model', class_token=False),
    'videomae': Kind('VideoMAEModel', class_token=False),
}
# Of these the vision tower is read.
_WITH_TEXT = ('clip', 'siglip')


def _transformers() -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            'amd_mm.TransformersTeacher needs transformers: pip install transformers') from error
    return transformers


def class_of(kind: Kind) -> Any:
    """The class of a kind of network."""
    return getattr(_transformers(), kind.network)


def forward_settings(network: Any) -> dict[str, Any]:
    """What the network's forward is asked for, of what it knows."""
    wanted = dict(interpolate_pos_encoding=True, noise=None)
    return {name: value for name, value in wanted.items()
            if name in inspect.signature(network.forward).parameters}


def read_folder(path: str) -> Checkpoint:
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


def network_config(said: Mapping[str, Any], place: str) -> tuple[Kind, Any]:
    """The kind of network, and its config as Transformers has it.

    Raises:
        ValueError: If it is of another kind, or not a config.
    """
    library = _transformers()
    name = str(said.get('model_type'))
    kind = None
    if name in (*_WITH_TEXT, *_KINDS):
        try:
            with quiet():
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


def cuts_of(config: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pixels of a token and of the network's own input: ((frames,) rows, columns)."""
    patch = to_2tuple(config.patch_size)
    size = to_2tuple(config.crop_size if config.model_type == 'vjepa2' else config.image_size)
    if not hasattr(config, 'tubelet_size'):
        return tuple(patch), tuple(size)
    frames = (config.frames_per_clip if config.model_type == 'vjepa2' else config.num_frames)
    return (config.tubelet_size, *patch), (frames, *size)


def set_size(config: Any, grid: TokenGrid, own_size: tuple[int, ...], place: str) -> None:
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


def load_network(kind: Kind, config: Any, read: Checkpoint, normalize: bool, place: str) -> Any:
    """The network with the folder's weights, under whatever names Transformers knows them.

    Raises:
        ValueError: If a weight that is read is missing, left over or of another shape.
    """
    with quiet():
        try:
            network, info = class_of(kind).from_pretrained(
                None, config=config, state_dict=dict(read.state_dict), dtype=torch.float32,
                output_loading_info=True, **kind.settings)
        except Exception as error:  # whatever weights of another network lead to
            raise _wrong(kind, place, str(error)) from error
    unread = _UNREAD if normalize else (*_UNREAD, *NORMS)
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


def warn_of_unsaid_pixels(place: str) -> None:
    """Warn that a folder does not say what its pixels are normalised with."""
    warnings.warn(
        f'{place}: has no preprocessor_config.json, so what its pixels were normalised with is not '
        'known: it is given them as the student is. Set model.teacher.mean and std (0-255); those '
        'of CLIP, SigLIP, ViT and BEiT are not ImageNet\'s.', stacklevel=3)


def _wrong(kind: Kind, place: str, problems: str) -> ValueError:
    return ValueError(f'{place}: its weights must be those of a {kind.network} as its config.json '
                      f'describes it, but {problems.strip()[:500]}. Download the folder again.')


@contextmanager
def quiet() -> Iterator[None]:
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
