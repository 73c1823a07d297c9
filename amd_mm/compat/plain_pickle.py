"""Pickles as data: containers, numbers, strings, arrays and tensors, and nothing that runs.

A pickle names what it calls. Here a name stands for something of ours, or for a builtin type,
and every other name is refused. numpy's own functions are not let in either: they believe what a
file says about sizes and flags, and then read and write outside their memory.

Imported when a host is mended, not with ``amd_mm``: it needs numpy.
"""
import math
import pickle
import re
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from io import BytesIO
from types import ModuleType
from typing import Any, BinaryIO, NoReturn

import numpy as np

# What numpy writes for bool, numbers, bytes and strings; no objects, fields or dates.
_DTYPE = re.compile(r'[biufcSU]\d+')
HOW_TO_CONVERT = (
    'Nothing of it was run. If you trust whoever made it, read it once by what made it, turn '
    'what it holds into dicts, lists, numbers, strings and numpy arrays of numbers, and write '
    'these.')


class NotPlain(ValueError):
    """A data file that holds more than data, or is damaged."""


def refuse(what: str) -> NoReturn:
    """Raise a :class:`NotPlain` that names what a file wants."""
    raise NotPlain('a data file must hold plain containers, numbers, strings and arrays, but it '
                   f'wants {what}. {HOW_TO_CONVERT}')


class PlainDtype:
    """Stands for ``numpy.dtype`` in a file: a name and a byte order, no fields and no flags.

    Args:
        name: As numpy writes it, such as ``'f4'``.
        *args: Further arguments that numpy writes; they say nothing.

    Raises:
        NotPlain: For any other dtype, such as one of Python objects.
    """

    __slots__ = ('dtype', )

    def __init__(self, name: str, *args: object) -> None:
        if isinstance(name, bytes):  # Python 2
            name = name.decode('latin-1')
        if not isinstance(name, str) or not _DTYPE.fullmatch(name):
            refuse(f'an array of {name!r}')
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        """Take the byte order of numpy's state, the rest of which must say nothing."""
        order: Any = state[1] if isinstance(state, tuple) and len(state) > 4 else None
        order = order.decode('latin-1') if isinstance(order, bytes) else order
        if order not in ('<', '>', '|', '=') or any(part is not None for part in state[2:5]):
            refuse('an array with fields')
        self.dtype = self.dtype.newbyteorder(order)


class CheckedArray(np.ndarray):
    """An array whose state was compared with its size; elsewhere as ``numpy.ndarray``."""

    def __new__(cls) -> 'CheckedArray':
        """An empty one, as numpy starts from when it reads a pickle."""
        return np.empty(0, 'i1').view(cls)

    def __setstate__(self, state: tuple) -> None:
        """Take shape, dtype, order and bytes, if they agree."""
        if not isinstance(state, tuple) or len(state) != 5:
            refuse('an array without its state')
        _, shape, dtype, is_fortran, data = state
        data = _as_bytes(data)
        if not (isinstance(dtype, PlainDtype) and isinstance(shape, tuple)
                and all(type(n) is int and n >= 0 for n in shape)
                and math.prod(shape) * dtype.dtype.itemsize == len(data)):
            refuse(f'an array of shape {shape!r:.100} that is not its {len(data)} bytes')
        super().__setstate__((1, shape, dtype.dtype, is_fortran, data))

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Written, it is an array like any other."""
        return self.view(np.ndarray).__reduce_ex__(protocol)


def reconstruct(*args: object) -> CheckedArray:
    """Stand for numpy's ``_reconstruct``, whose arguments are always the same."""
    return CheckedArray()


def scalar(dtype: PlainDtype, data: bytes | str) -> Any:
    """Stand for numpy's ``scalar``: one number from its bytes."""
    return from_buffer(_as_bytes(data), dtype, (), 'C')[()]


def from_buffer(data: bytes, dtype: PlainDtype, shape: tuple[int, ...], order: Any) -> np.ndarray:
    """Stand for numpy's ``_frombuffer``, with which protocol 5 writes arrays."""
    if not isinstance(dtype, PlainDtype):
        refuse(f'an array of {dtype!r:.100}')
    return np.frombuffer(data, dtype.dtype).reshape(shape, order=order).copy(order)


def _as_bytes(data: bytes | str) -> bytes:
    """Bytes, which Python 2 and protocol 2 hand over as latin-1 text."""
    if isinstance(data, str):
        data = data.encode('latin-1')
    if not isinstance(data, bytes | bytearray):
        refuse(f'an array of {type(data).__name__}')
    return bytes(data)


def _encode(text: str, encoding: str = 'latin-1') -> bytes:
    return text.encode('latin-1')


def _bytes(data: bytes | str = b'') -> bytes:
    return _as_bytes(data)


def _bytearray(data: bytes | str = b'', *encoding: str) -> bytearray:
    return bytearray(_as_bytes(data))


def _storage(data: bytes) -> Any:
    import torch
    try:
        return torch.load(BytesIO(data), weights_only=True)
    except pickle.UnpicklingError:
        refuse('a tensor that holds more than numbers')


def _tensor(*args: Any) -> Any:
    import torch
    return torch._utils._rebuild_tensor_v2(*args)


class _Unchangeable:
    """Calls a function of which a pickle can set no attribute, as it could of the function."""

    __slots__ = ('_function', )

    def __init__(self, function: Callable) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: object) -> None:
        refuse('to change a function')


_FUNCTIONS: dict[str, Callable] = {
    'numpy.dtype': PlainDtype, 'numpy.ndarray': CheckedArray,
    'torch.storage._load_from_bytes': _storage, 'torch._utils._rebuild_tensor_v2': _tensor,
    '_codecs.encode': _encode, 'builtins.bytes': _bytes,
    'builtins.bytearray': _bytearray,
}
for _core in ('numpy.core', 'numpy._core'):  # numpy 1 and 2
    _FUNCTIONS |= {
        f'{_core}.multiarray._reconstruct': reconstruct, f'{_core}.multiarray.scalar': scalar,
        f'{_core}.numeric._frombuffer': from_buffer}
_TYPES = {f'builtins.{kind.__name__}': kind
          for kind in (list, dict, tuple, set, frozenset, slice, complex, int, float, str, bool)}
ALLOWED: dict[str, Any] = {
    **{name: _Unchangeable(function) for name, function in _FUNCTIONS.items()}, **_TYPES,
    'collections.OrderedDict': OrderedDict, 'collections.defaultdict': defaultdict}


class PlainUnpickler(pickle.Unpickler):
    """Reads pickles of data; arguments are those of ``pickle.Unpickler``."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name.

        Raises:
            NotPlain: If nothing does.
        """
        module = 'builtins' if module == '__builtin__' else module  # Python 2's name
        found = ALLOWED.get(f'{module}.{name}')
        if found is None:
            refuse(f'{module}.{name}')
        return found


def load(file: BinaryIO, **kwargs: Any) -> Any:
    """As ``pickle.load``, of data.

    Raises:
        NotPlain: If the file holds more, or is damaged.
    """
    try:
        return PlainUnpickler(file, **kwargs).load()
    except (NotPlain, OSError):
        raise
    except Exception as error:  # pickle raises whatever the damage leads to
        raise NotPlain('a data file must be whole, but its pickle is cut off or damaged '
                       f'({type(error).__name__}: {str(error)[:100]})') from error


def loads(data: bytes, **kwargs: Any) -> Any:
    """As ``pickle.loads``, of data."""
    return load(BytesIO(data), **kwargs)


class Overlay(ModuleType):
    """A module with some of its functions replaced, for those who hold it by this name.

    Args:
        module: The module.
        **replacements: Of its functions.
    """

    def __init__(self, module: ModuleType, **replacements: Callable) -> None:
        super().__init__(module.__name__)
        self._module = module
        vars(self).update(replacements)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)
