"""Neighbours among the files of a folder."""
import os
import signal

import pytest
import torch
import torch.nn.functional as F
from golden import dmae_image, load_golden
from PIL import Image

from amd_mm.report.gathering import neighbours
from amd_mm.report.gathering.neighbours import LabelledFolder, leave_one_out


def test_no_sample_votes_for_itself():
    corners = F.normalize(torch.tensor([[1., 0.], [1., .1], [0., 1.], [.1, 1.]]), dim=1)
    assert leave_one_out(corners, torch.tensor([0, 0, 1, 1]), k=1) == 1
    # Each one's nearest is of the other class.
    assert leave_one_out(corners, torch.tensor([0, 1, 0, 1]), k=1) == 0
    assert leave_one_out(corners, torch.tensor([0, 0, 1, 0]), k=1) == .5


@pytest.fixture
def folder(tmp_path):
    for label, colour in (('dark', 20), ('light', 230)):
        (tmp_path / label).mkdir()
        for number in range(4):
            Image.new('RGB', (40, 40), (colour + number, ) * 3).save(
                tmp_path / label / f'{number}.png')
    return tmp_path


def test_dark_and_light_pictures_are_told_apart_and_files_are_limited(folder):
    model = load_golden(dmae_image('token')).train()
    everything = LabelledFolder(folder, False, 100, 1)
    assert everything.classes == ('dark', 'light') and len(everything.files) == 8
    assert everything.top1(model) == 1 and model.training
    some = LabelledFolder(folder, False, 4, 1)
    assert [(file.name, label) for file, label in some.files] == [
        ('0.png', 0), ('2.png', 0), ('0.png', 1), ('2.png', 1)]


def test_files_that_cannot_be_read_or_crash_are_left_out(folder, monkeypatch):
    (folder / 'dark/1.png').write_bytes(b'no picture')
    read = neighbours.read_image

    def crashing(file, size):
        if file.parent.name == 'light' and file.name == '2.png':
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # no dump of the test runner
            os.kill(os.getpid(), signal.SIGSEGV)
        return read(file, size)

    monkeypatch.setattr(neighbours, 'read_image', crashing)
    everything = LabelledFolder(folder, False, 100, 1)
    assert everything.top1(load_golden(dmae_image('token'))) == 1
    names = [(file.name, label) for file, label in everything.files]
    assert names == [(f'{number}.png', label) for label in (0, 1) for number in range(4)
                     if (number, label) not in ((1, 0), (2, 1))]


def test_a_folder_of_one_class_is_refused(folder):
    for file in (folder / 'light').iterdir():
        file.unlink()
    (folder / 'light').rmdir()
    with pytest.raises(ValueError, match='at least two classes, a folder each, .* got 4'):
        LabelledFolder(folder, False, 100, 1)
