"""MMEngine's functions and its checkpoints reach storages that it does not know."""
import pytest
import torch
from mmengine.fileio import FileClient, get_file_backend
from mmengine.runner.checkpoint import CheckpointLoader, save_checkpoint

from amd_mm.compat.remote_storage import PREFIXES, FsspecBackend

pytest.importorskip('fsspec')


@pytest.mark.parametrize('prefix', PREFIXES)
def test_every_prefix_is_known(prefix):
    assert type(get_file_backend(f'{prefix}://bucket/list.txt')) is FsspecBackend
    assert type(FileClient(prefix=prefix).client) is FsspecBackend


def test_a_checkpoint_in_memory_returns():
    save_checkpoint(dict(state_dict=dict(w=torch.arange(3.))), 'memory://fix/a.pth')
    loaded = CheckpointLoader.load_checkpoint('memory://fix/a.pth', map_location='cpu')
    assert torch.equal(loaded['state_dict']['w'], torch.arange(3.))


def test_checkpoints_of_a_storage_run_nothing():
    import io
    import pickle

    from unsafe_files import Bomb
    stream = io.BytesIO()
    torch.save(dict(more=Bomb('nowhere')), stream)
    get_file_backend('memory://fix').put(stream.getvalue(), 'memory://fix/evil.pth')
    with pytest.raises(pickle.UnpicklingError, match='Nothing in it was executed'):
        CheckpointLoader.load_checkpoint('memory://fix/evil.pth')
