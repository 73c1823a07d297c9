def test_vp9_can_be_written_whichever_is_imported_first(run_python) -> None:
    write = '''
from fractions import Fraction
import amd_mm, decord, av
codec = av.CodecContext.create('libvpx-vp9', 'w')
codec.width, codec.height, codec.pix_fmt, codec.time_base = 64, 48, 'yuv420p', Fraction(1, 25)
codec.open()
print('opened')
'''
    done = run_python(write)
    assert done.stdout == 'opened\n', done.stderr
