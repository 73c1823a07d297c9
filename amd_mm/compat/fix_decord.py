"""decord, whose bundled libraries take the place of PyAV's."""
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amd_mm.compat.fix import Fix, Verdict


def _comes_before_av(decord: Any) -> Verdict:
    if importlib.util.find_spec('av') is None:
        return Verdict(False, 'there is no PyAV')
    return Verdict(True, 'decord brings an old libvpx along')


@contextmanager
def _import_av_first(decord: Any) -> Iterator[None]:
    import av  # noqa: F401  (its libraries are bound to it by the time decord's come)
    yield


FIXES = [
    Fix(name='decord-libvpx', host='decord',
        symptom="PyAV cannot write VP9: avcodec_open2('libvpx-vp9') returned 22, invalid argument",
        affected='decord 0.6.0, where it is imported before PyAV 18',
        link='https://github.com/dmlc/decord/blob/v0.6.0/tools/build_manylinux2010.sh',
        trigger='decord', check=_comes_before_av, around=_import_av_first),
]
