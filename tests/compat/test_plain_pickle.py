import io
import pickle
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from unsafe_files import Bomb

from amd_mm.compat import plain_pickle
from amd_mm.compat.plain_pickle import ALLOWED, NotPlain, Overlay, loads


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('value', [
    {'a': [1, 2.5, None, True, 'text', b'bytes', (1, 2)], 2: {3, 4}}, frozenset([1]), 1j,
    bytearray(b'ab'), slice(1, 2), OrderedDict(a=1), defaultdict(list, a=[1]),
    np.float32(1.5), np.bool_(True), np.str_('word')], ids=repr)
def test_data_comes_back(value: object, protocol: int) -> None:
    found = loads(pickle.dumps(value, protocol))
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('array', [
    np.arange(6.).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)),
    np.arange(3, dtype='>i2'), np.array(['a', 'bc']), np.array([b'a']), np.array(3),
    np.zeros((0, 4)), np.array([True, False]), np.arange(4, dtype='f2')[::2]],
    ids=lambda array: f'{array.dtype}{array.shape}')
def test_arrays_come_back(array: np.ndarray, protocol: int) -> None:
    found = loads(pickle.dumps([array, array], protocol))
    assert found[0] is found[1] and isinstance(found[0], np.ndarray)
    expected = pickle.loads(pickle.dumps(array, protocol))  # numpy turns bytes to native order
    assert found[0].dtype == expected.dtype and found[0].shape == array.shape
    assert np.array_equal(found[0], array)
    assert found[0].flags.writeable
    assert type(pickle.loads(pickle.dumps(found[0]))) is np.ndarray


def test_what_python_2_wrote_comes_back() -> None:
    written = (b'\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nq\x01K\x00\x85'
               b'U\x01b\x87Rq\x02(K\x01K\x02\x85cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN'
               b'J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x02\x07\xfftb.')
    assert loads(written, encoding='latin1').tolist() == [7, 255]
    assert loads(b'\x80\x02c__builtin__\nset\n]K\x05a\x85R.') == {5}


def test_tensors_of_dumped_predictions_come_back() -> None:
    found = loads(pickle.dumps({'scores': torch.arange(6.).reshape(2, 3).T}))
    assert torch.equal(found['scores'], torch.arange(6.).reshape(2, 3).T)


def test_what_runs_is_refused_and_not_run(tmp_path: Path) -> None:
    trace = tmp_path / 'executed'
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(NotPlain, match=r'it wants (pathlib|builtins\.getattr).*Nothing of it'):
            loads(pickle.dumps({'a': [Bomb(trace)]}, protocol))
    # tensors carry a pickle of their own
    inner = io.BytesIO()
    torch.save(Bomb(trace), inner)
    hidden = b'\x80\x04ctorch.storage\n_load_from_bytes\nB' + len(
        inner.getvalue()).to_bytes(4, 'little') + inner.getvalue() + b'\x85R.'
    with pytest.raises(NotPlain, match='a tensor that holds more than numbers'):
        loads(hidden)
    assert not trace.exists()


@pytest.mark.parametrize('name', [
    'builtins.eval', 'builtins.getattr', 'os.system', 'builtins.range', 'builtins.type',
    'numpy.load', 'numpy.ndarray.tofile', 'torch.load', 'functools.partial', 'operator.call'])
def test_names_that_nothing_stands_for(name: str) -> None:
    module, _, attribute = name.rpartition('.')
    with pytest.raises(NotPlain, match=name):
        loads(f'c{module}\n{attribute}\n.'.encode())


def forged(shape: tuple, dtype: object, data: object) -> object:
    class Forged:
        def __reduce__(self) -> tuple:
            function, args, _ = np.empty(0).__reduce__()
            return function, args, (1, shape, dtype, False, data)
    return Forged()


class Flagged:
    """A dtype of numbers that says it holds Python objects, or fields."""

    def __init__(self, state: tuple) -> None:
        self.state = state

    def __reduce__(self) -> tuple:
        return np.dtype, ('f8', False, True), self.state


@pytest.mark.parametrize('value', [
    forged((10**6, ), np.dtype('O'), [1, 2]),
    forged((2, ), Flagged((3, '<', None, None, None, -1, -1, 63)), [1, 2]),
    forged((10**6, ), np.dtype('f8'), b'12345678'),
    forged((-1, -1), np.dtype('f8'), b'12345678'),
    Flagged((3, '|', None, ('a', ), {'a': (np.dtype('f8'), 10**6)}, 8, 1, 16)),
    np.array([{}], object), np.zeros(1, [('a', 'f4')])])
def test_states_with_which_numpy_leaves_its_memory(value: object) -> None:
    with pytest.raises(NotPlain, match='it wants an array'):
        loads(pickle.dumps(value, 4))


def test_nothing_that_stands_for_a_name_can_be_changed() -> None:
    for name, found in ALLOWED.items():
        with pytest.raises((TypeError, AttributeError, NotPlain)):
            loads(f'c{".".join(name.split(".")[:-1])}\n{name.split(".")[-1]}\n'
                  '(N}X\x04\x00\x00\x00evilK\x01stb.'.encode())
        assert not hasattr(found, 'evil')


def test_an_overlay_replaces_what_it_is_told_to() -> None:
    overlay = Overlay(pickle, loads=loads)
    assert overlay.loads is loads and overlay.dumps is pickle.dumps
    assert pickle.loads is not loads and plain_pickle.load(io.BytesIO(b'K\x07.')) == 7
