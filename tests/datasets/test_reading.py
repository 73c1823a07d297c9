"""Files are read from any storage; those that fail for a moment are read again."""
import pickle

import pytest

from amd_mm.datasets.files import FileError
from amd_mm.datasets.reading import read_bytes


def test_errors_of_files_are_words_and_travel(tmp_path):
    with pytest.raises(FileError, match=r'none\\n does not exist$') as caught:
        read_bytes(str(tmp_path / 'none\n'))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.reason) == (str(caught.value), 'does not exist')
    with pytest.raises(FileError, match='is a folder, not a file'):
        read_bytes(str(tmp_path))
    (tmp_path / 'a').write_bytes(b'12')
    assert read_bytes(str(tmp_path / 'a')) == b'12'
