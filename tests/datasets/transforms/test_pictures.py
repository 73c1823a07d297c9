"""One rule for every format, and the host's pixels where there is nothing to decide."""
import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from amd_mm.datasets.files import FileError
from amd_mm.datasets.transforms import LoadPicture
from amd_mm.datasets.transforms.pictures import read_picture
from amd_mm.registry import TRANSFORMS

PICTURES = Path(__file__).parents[2] / 'data/pictures'
PIXELS = cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8), (40, 30))


def save(path, picture, **settings):
    picture.save(path, **settings)
    return str(path)


def host(path):
    return TRANSFORMS.build(dict(type='mmpretrain.LoadImageFromFile'))(dict(img_path=str(path)))


def rgb(path):
    return read_picture(str(path))[..., ::-1]


@pytest.mark.parametrize(('suffix', 'mode'), [
    *((suffix, mode) for suffix in ('jpg', 'png', 'bmp', 'ppm', 'tif', 'webp')
      for mode in ('RGB', 'L')),
    *((suffix, mode) for suffix in ('png', 'bmp', 'tif') for mode in ('1', 'P'))])
def test_ordinary_pictures_have_the_hosts_pixels(tmp_path, suffix, mode):
    path = save(tmp_path / f'a.{suffix}', Image.fromarray(PIXELS).convert(mode))
    ours, theirs = LoadPicture()(dict(img_path=path)), host(path)
    assert ours.keys() == theirs.keys()
    assert ours['img_shape'] == ours['ori_shape'] == theirs['img_shape'] == (30, 40)
    assert np.array_equal(ours['img'], theirs['img']) and ours['img'].dtype == np.uint8


@pytest.mark.parametrize('name', ['palette.png', 'gif_named.jpg', 'exif6.jpg', 'gray16.png'])
def test_cases_are_read_as_the_host_reads_them(name):
    assert np.array_equal(read_picture(str(PICTURES / name)), host(PICTURES / name)['img'])


def test_16_bits_are_scaled_not_saturated(tmp_path):
    values = np.arange(0, 65536, 64, dtype=np.uint16).reshape(16, 64)
    for suffix in ('png', 'tif'):
        path = save(tmp_path / f'a.{suffix}', Image.fromarray(values))
        assert np.array_equal(rgb(path), (values >> 8)[..., None].repeat(3, 2))


@pytest.mark.parametrize('suffix,settings,close', [
    ('png', {}, 0), ('tif', {}, 0), ('webp', dict(lossless=True), 0),
    ('avif', dict(quality=100, subsampling='4:4:4'), 6)])
def test_transparency_shows_white_in_every_format(tmp_path, suffix, settings, close):
    alpha = np.zeros((30, 40), np.uint8)
    alpha[:, 10:20], alpha[:, 20:] = 128, 255
    picture = Image.fromarray(np.dstack([PIXELS, alpha]))
    read = rgb(save(tmp_path / f'a.{suffix}', picture, **settings)).astype(int)
    part = alpha[..., None] / 255
    assert np.abs(read - (PIXELS * part + 255 * (1 - part))).max() <= max(close, .51)


def test_transparency_of_palettes(tmp_path):
    picture = Image.fromarray(np.repeat([[0, 1], [1, 2]], 8, 0).astype(np.uint8), 'P')
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    for suffix in ('png', 'gif'):
        read = rgb(save(tmp_path / f'a.{suffix}', picture, transparency=1))
        assert read[0].tolist() == [[10, 20, 30], [255] * 3]
        assert read[-1].tolist() == [[255] * 3, [70, 80, 90]]


def test_a_cutout_stands_on_white():
    mean = read_picture(str(PICTURES / 'rgba_cutout.png')).mean((0, 1))
    assert mean == pytest.approx([175.768, 212.417, 180.583], abs=1e-3)


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tif', 'avif'])
def test_every_format_is_turned_as_exif_says(tmp_path, suffix):
    exif = Image.Exif()
    exif[274] = 6
    plain = rgb(save(tmp_path / f'plain.{suffix}', Image.fromarray(PIXELS)))
    turned = rgb(save(tmp_path / f'turned.{suffix}', Image.fromarray(PIXELS), exif=exif))
    assert np.array_equal(turned, np.rot90(plain, -1))


def test_pictures_of_phones_with_others_behind_the_first(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    first = Image.fromarray(PIXELS)
    path = save(tmp_path / 'phone.jpg', first, format='MPO', save_all=True, exif=exif,
                append_images=[Image.new('RGB', (10, 10))])
    assert Image.open(path).format == 'MPO'
    assert np.array_equal(read_picture(path), host(path)['img'])
    assert read_picture(path).shape == (40, 30, 3)


def test_other_programs_are_not_asked(tmp_path):
    (tmp_path / 'script.jpg').write_text(
        '%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n')
    with pytest.raises(FileError, match='script.jpg is no picture of a kind that can be read'):
        read_picture(str(tmp_path / 'script.jpg'))


def test_the_first_of_several_pictures_is_taken(tmp_path):
    first, second = (Image.new('RGB', (4, 4), colour) for colour in ('red', 'blue'))
    for suffix in ('gif', 'tif', 'webp'):
        path = save(tmp_path / f'a.{suffix}', first, save_all=True, append_images=[second])
        assert np.abs(rgb(path).astype(int) - [255, 0, 0]).max() <= 2, suffix


def bomb(side):
    """A PNG that promises side x side pixels."""
    def chunk(kind, data):
        return b''.join([struct.pack('>I', len(data)), kind, data,
                         struct.pack('>I', zlib.crc32(kind + data))])

    header = struct.pack('>IIBBBBB', side, side, 8, 0, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(bytes(99)))


def test_too_many_pixels_are_refused_before_they_take_memory(tmp_path):
    (tmp_path / 'bomb.png').write_bytes(bomb(30000))
    with pytest.raises(FileError, match=r'bomb.png has 900000000 pixels, and 178956970 at most'):
        read_picture(str(tmp_path / 'bomb.png'))


def test_what_is_the_matter_is_said_in_words(tmp_path, capfd):
    (tmp_path / 'text.png').write_text('no picture')
    for suffix in ('jpg', 'png', 'gif', 'tif', 'webp', 'bmp'):
        buffer = io.BytesIO()
        Image.fromarray(PIXELS).resize((400, 300)).save(buffer, Image.registered_extensions()[
            f'.{suffix}'])
        (tmp_path / f'cut.{suffix}').write_bytes(buffer.getvalue()[:len(buffer.getvalue()) // 2])
        with pytest.raises(FileError, match=f'cut.{suffix} is cut short or damaged$'):
            read_picture(str(tmp_path / f'cut.{suffix}'))
    for path, words in ((PICTURES / 'zero.jpg', 'is empty'),
                        (tmp_path / 'no.png', 'does not exist'),
                        (tmp_path, 'is a folder, not a file'),
                        (tmp_path / 'text.png', 'is no picture of a kind that can be read')):
        with pytest.raises(FileError, match=f'{path} {words}$'):
            read_picture(str(path))
    damaged = tmp_path / 'damaged.png'
    Image.fromarray(PIXELS).save(damaged)
    content = bytearray(damaged.read_bytes())
    content[-200:-180] = b'\x55' * 20
    damaged.write_bytes(content)
    with pytest.raises(FileError, match='damaged.png is cut short or damaged$'):
        read_picture(str(damaged))
    assert capfd.readouterr() == ('', '')


def test_any_name_is_read(tmp_path):
    for name in (b'caf\xe9.png', b'two\nlines.png', b'\x1b[31m.png'):
        path = tmp_path / os.fsdecode(name)
        assert np.array_equal(rgb(save(path, Image.fromarray(PIXELS))), PIXELS)
