"""MMEngine reads s3:// by a client that only few have, no gs:// or hf://, and no part of http://."""
import importlib.util
from io import BytesIO
from typing import Any

from amd_mm.compat.fix import Fix, Verdict

_LINK = ('https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/fileio/backends/'
         'registry_utils.py')


def _prefixes() -> tuple[str, ...]:
    """Those of ours; who has the client of Petrel keeps it for s3."""
    from amd_mm.compat.remote_storage import PREFIXES

    return PREFIXES[importlib.util.find_spec('petrel_client') is not None:]


def _web() -> tuple[str, ...]:
    """Addresses of web servers, where fsspec can read them; MMEngine reads them whole only."""
    there = all(map(importlib.util.find_spec, ('fsspec', 'aiohttp')))
    return ('http', 'https') if there else ()


def _lacks_storages(registry: Any) -> Verdict:
    lacking = 'gs' not in registry.prefix_to_backends
    return Verdict(lacking, 'MMEngine has no file backend for gs://' if lacking
                   else 'MMEngine has a file backend for gs://')


def _add_storages(registry: Any) -> None:
    from amd_mm.compat.remote_storage import FsspecBackend

    registry.register_backend('fsspec', FsspecBackend, prefixes=[*_prefixes(), *_web()],
                              force=True)


def _client_lacks_storages(module: Any) -> Verdict:
    lacking = 'gs' not in module.FileClient._prefix_to_backends
    return Verdict(lacking, 'FileClient has no backend for gs://' if lacking
                   else 'FileClient has a backend for gs://')


def _add_storages_to_client(module: Any) -> None:
    from amd_mm.compat.remote_storage import FsspecBackend

    # Its register_backend does not override a prefix.
    module.FileClient._prefix_to_backends.update(dict.fromkeys(_prefixes(), FsspecBackend))


def _cannot_load(checkpoint: Any) -> Verdict:
    lacking = 'gs://' not in checkpoint.CheckpointLoader._schemes
    return Verdict(lacking, 'CheckpointLoader takes gs:// for a path of this machine' if lacking
                   else 'CheckpointLoader reads gs://')


def _load_by_backend(checkpoint: Any) -> None:
    def load(filename: str, map_location: Any = None) -> Any:
        content = checkpoint.get_file_backend(filename).get(filename)
        return checkpoint.torch.load(BytesIO(content), map_location=map_location)

    schemes = [r'(\S+\:)?s3://' if prefix == 's3' else f'{prefix}://' for prefix in _prefixes()]
    checkpoint.CheckpointLoader.register_scheme(prefixes=schemes, loader=load, force=True)


FIXES = [
    Fix(name='mmengine-storages', host='mmengine',
        symptom='s3://bucket/list.txt: Please install petrel_client; gs://bucket/list.txt: '
                "KeyError: 'gs'",
        affected='every mmengine', link=_LINK,
        trigger='mmengine.fileio.backends.registry_utils',
        check=_lacks_storages, apply=_add_storages),
    Fix(name='mmengine-storages-client', host='mmengine',
        symptom='saving to gs://bucket/a.pth: prefix gs is not supported',
        affected='every mmengine: save_checkpoint asks its old FileClient too', link=_LINK,
        trigger='mmengine.fileio.file_client',
        check=_client_lacks_storages, apply=_add_storages_to_client),
    Fix(name='mmengine-remote-checkpoints', host='mmengine',
        symptom='load_from=gs://bucket/a.pth: FileNotFoundError: ... can not be found',
        affected='every mmengine',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/checkpoint.py',
        trigger='mmengine.runner.checkpoint', check=_cannot_load, apply=_load_by_backend),
]
