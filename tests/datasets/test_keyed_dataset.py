import ctypes
import os
import random
import signal

import cv2
import numpy as np
import pytest
import torch
from clips import REAL, frame_number, write_broken_videos, write_video
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from mmengine.registry import DATASETS
from mmengine.structures import BaseDataElement
from torch.utils.data import DataLoader

from amd_mm.datasets import KeyedDataset, collate_repeats
from amd_mm.datasets.transforms import MultiScaleCrop
from amd_mm.keys import Sample, sample_key, seeded

SIZE = 32
CROPS = [
    dict(type='amd_mm.MultiScaleCrop'),
    dict(type='amd_mm.ResizeClip', scale=(SIZE, SIZE)),
    dict(type='mmaction.FormatShape', input_format='NCTHW'),
    dict(type='mmaction.PackActionInputs'),
]


def decoding(clip_len=4, interval=4, opener='mmaction.DecordInit', reader='mmaction.DecordDecode'):
    sample = dict(type='amd_mm.SampleStridedFrames', clip_len=clip_len, frame_interval=interval)
    return [dict(type=opener), sample, dict(type=reader)]


def videos(folder, pipeline=None, **settings):
    inner = dict(
        type='amd_mm.VideoDataset', data_prefix=dict(video=str(folder)),
        pipeline=pipeline or decoding())
    return DATASETS.build(
        dict(type='amd_mm.KeyedDataset', dataset=inner, pipeline=CROPS, **settings))


class Numbers(BaseDataset):
    """Sample ``n`` is an array full of ``n``; a fault of ``n`` is called or raised, or is None."""

    def __init__(self, length, faults=None):
        self.length, self.faults, self.tried = length, faults or {}, []
        super().__init__(pipeline=[self.decode], serialize_data=False)

    def load_data_list(self):
        return [dict(filename=f'file {n}') for n in range(self.length)]

    def decode(self, results):
        self.tried.append(results['sample_idx'])
        if results['sample_idx'] in self.faults:
            if self.faults[results['sample_idx']] is None:
                return None
            if callable(self.faults[results['sample_idx']]):
                self.faults[results['sample_idx']]()
            raise self.faults[results['sample_idx']]
        results['imgs'] = np.full(3, results['sample_idx'])
        results['drawn'] = (random.random(), np.random.rand(), torch.rand(()).item())
        return results


def pack(results):
    """Draws once more, and works in place as some transforms of the hosts do."""
    results['imgs'] += 100
    own = (random.random(), np.random.rand(), torch.rand(()).item())
    return dict(inputs=results['imgs'], drawn=results['drawn'], own=own,
                data_samples=BaseDataElement())


def numbers(length=20, faults=None, **settings):
    return KeyedDataset(Numbers(length, faults), [pack], **settings)


def test_repeats_share_the_sample_and_draw_for_themselves():
    repeats = numbers(num_repeats=3)[Sample(0, 0, 7)]
    assert [r['inputs'].tolist() for r in repeats] == [[107] * 3] * 3
    assert len({r['drawn'] for r in repeats}) == 1
    # Three generators in three repeats, and in what they share.
    assert len({value for r in repeats for value in (*r['own'], *r['drawn'])}) == 12
    assert [r['data_samples'].metainfo for r in repeats] == [
        dict(sample_key=sample_key(0, 0, 7, n), repeat=n, sample_path='file 7') for n in range(3)]


def test_each_repeat_draws_from_its_own_key_whatever_was_drawn_before():
    index = Sample(3, 2, 7)
    for n, repeat in enumerate(numbers(num_repeats=3)[index]):
        for part, key in (('drawn', index.shared_key), ('own', index.repeat_key(n))):
            with seeded(key):
                assert repeat[part] == (random.random(), np.random.rand(), torch.rand(()).item())


def test_randomness_hangs_on_seed_epoch_index_and_repeat_alone():
    def drawn(seed, epoch, index):
        repeats = numbers()[Sample(seed, epoch, index)]
        return [value for r in repeats for value in (*r['drawn'], *r['own'])]

    first = drawn(0, 0, 0)
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    before = torch.get_rng_state()
    assert drawn(0, 0, 0) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert np.random.rand() == np.random.RandomState(5).rand()
    for other in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        assert all(a != b for a, b in zip(drawn(*other), first, strict=True))


def test_plain_index_draws_its_epoch_from_torch():
    dataset = numbers()
    torch.manual_seed(3)
    first = dataset[4]
    assert dataset[4][0]['own'] != first[0]['own']
    torch.manual_seed(3)
    assert dataset[np.int64(4)][0]['own'] == first[0]['own']


@pytest.mark.parametrize('fault', [
    None, OSError('gone'), RuntimeError('decoder'), ValueError('x'), IndexError('x'),
    AssertionError('no picture'), cv2.error('x')])
def test_bad_sample_is_replaced_and_reported(fault):
    dataset = numbers(faults={7: fault}, num_repeats=2)
    repeats = dataset[Sample(0, 3, 7)]
    replacement = int(repeats[0]['inputs'][0]) - 100
    assert replacement != 7 and dataset.dataset.tried == [7, replacement]
    for repeat in repeats:
        (path, reason), = repeat['data_samples'].bad_samples
        assert path == 'file 7'
        assert 'returned None' in reason if fault is None else str(fault) in reason
    # The key stays that of the place in the epoch, and so does the replacement.
    assert repeats[1]['data_samples'].sample_key == sample_key(0, 3, 7, 1)
    again = numbers(faults={7: fault})[Sample(0, 3, 7)]
    assert int(again[0]['inputs'][0]) - 100 == replacement
    others = {int(numbers(faults={7: fault})[Sample(n, 3, 7)][0]['inputs'][0])
              for n in range(10)}
    assert len(others) > 3


def test_failing_transform_of_a_repeat_replaces_the_whole_sample():
    def fail_at_third(results):
        if results['imgs'][0] == 5 and fail_at_third.calls == 2:
            raise ValueError('too small')
        fail_at_third.calls += 1
        return pack(results)

    fail_at_third.calls = 0
    repeats = KeyedDataset(Numbers(20), [fail_at_third], num_repeats=4)[Sample(0, 0, 5)]
    assert len({int(r['inputs'][0]) for r in repeats}) == 1 and repeats[0]['inputs'][0] != 105
    assert repeats[3]['data_samples'].bad_samples == (('file 5', 'ValueError: too small'), )


@pytest.mark.parametrize('fault', [
    MemoryError(), ImportError('decord'), KeyError('imgs'), TypeError('argument'), NameError('x'),
    KeyboardInterrupt()])
def test_mistakes_are_no_bad_data(fault):
    with pytest.raises(type(fault)):
        numbers(faults={7: fault})[Sample(0, 0, 7)]


def test_all_bad_fails_at_once_and_names_the_files():
    dataset = numbers(4, {n: OSError(f'cannot read {n}') for n in range(4)})
    with pytest.raises(RuntimeError, match='none of 4 samples') as error:
        dataset[Sample(0, 0, 2)]
    assert all(f'file {n}: OSError: cannot read {n}' in str(error.value) for n in range(4))
    assert sorted(dataset.dataset.tried) == [0, 1, 2, 3]

    dataset = numbers(1000, {n: OSError('x') for n in range(1000)}, max_retries=3)
    with pytest.raises(RuntimeError, match='none of 4 samples .* holds 1000'):
        dataset[Sample(0, 0, 2)]
    assert len(set(dataset.dataset.tried)) == 4


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match='num_repeats .* at least 1, got 0'):
        numbers(num_repeats=0)
    with pytest.raises(ValueError, match='max_retries .* at least 0, got -1'):
        numbers(max_retries=-1)
    with pytest.raises(ValueError, match="time_limit .* above 0, or one of 'auto', or None, got 0"):
        numbers(time_limit=0)
    with pytest.raises(ValueError, match='Numbers inside KeyedDataset must hold at least one'):
        numbers(0)
    with pytest.raises(TypeError, match='num_repeat'):
        numbers(num_repeat=2)
    with pytest.raises(IndexError, match=r'in \[0, 20\), got 20'):
        numbers()[Sample(0, 0, 20)]


def test_empty_list_of_a_host_is_named(tmp_path):
    (tmp_path / 'list.txt').touch()
    inner = dict(
        type='mmpretrain.CustomDataset', ann_file=str(tmp_path / 'list.txt'), with_label=False,
        pipeline=[])
    with pytest.raises(ValueError, match='CustomDataset inside KeyedDataset must hold at least'):
        KeyedDataset(inner, [pack])


def batches(dataset, indices, workers):
    loader = DataLoader(
        dataset, batch_size=2, sampler=indices, num_workers=workers,
        collate_fn=collate_repeats, multiprocessing_context='fork' if workers else None)
    return {sample.sample_key: clip for batch in loader
            for sample, clip in zip(batch['data_samples'], batch['inputs'], strict=True)}


def test_real_clips_do_not_depend_on_workers_or_processes():
    dataset = videos(REAL, num_repeats=2)
    order = [Sample(0, 1, index) for index in (2, 0, 3, 1)]
    expected = batches(dataset, order, 0)
    assert len(expected) == 8
    for clip in expected.values():
        assert clip.shape == (1, 3, 4, SIZE, SIZE) and clip.dtype == torch.uint8
    ranks = [batches(dataset, order[rank::2], rank * 2) for rank in range(2)]
    for found in (batches(dataset, order, 2), {**ranks[0], **ranks[1]}):
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def pack_tensor(results):
    return dict(pack(results), inputs=torch.from_numpy(results['imgs']))


@pytest.mark.parametrize('workers', [0, 2])
def test_samples_that_hang_or_crash_are_bad_samples(workers):
    tries = torch.zeros(2).share_memory_()

    def hang():
        tries[0] += 1
        signal.setitimer(signal.ITIMER_REAL, .01)  # the alarm of the time limit, sooner
        # Holds the interpreter's lock, as a decoder that never comes back from C.
        ctypes.PyDLL(None).sleep(600)

    def crash():
        tries[1] += 1
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)

    expected = KeyedDataset(Numbers(8, {3: OSError('x'), 6: OSError('x')}), [pack_tensor])
    found = KeyedDataset(Numbers(8, {3: hang, 6: crash}), [pack_tensor], time_limit=60)
    # Twice, with workers of their own: what cost a process is not tried again.
    for epoch in range(2):
        order = [Sample(0, epoch, index) for index in range(8)]
        clips, others = batches(found, order, workers), batches(expected, order, 0)
        assert clips.keys() == others.keys()
        assert all(torch.equal(clips[key], others[key]) for key in clips)
    assert tries.tolist() == [1, 1]
    for index, reason in ((3, 'ProcessLost: no end within the time_limit of 60 s'),
                          (6, 'ProcessLost: crashed its process (SIGSEGV)')):
        assert (f'file {index}', reason) in found[
            Sample(0, 2, index)][0]['data_samples'].bad_samples


@pytest.mark.parametrize('opener, limit', [
    ('amd_mm.PyAVInit', None), ('amd_mm.DecordInit', 60), ('amd_mm.OpenCVInit', 60),
    ('mmaction.DecordInit', 60), ('mmaction.OpenCVInit', 60)])
def test_decord_and_opencv_read_in_a_child_process(tmp_path, opener, limit):
    write_video(tmp_path / 'a.mp4', 5)
    pipeline = [dict(type=opener)]
    plain = videos(tmp_path, pipeline)
    inside = [KeyedDataset(wrapped, [pack]) for wrapped in (
        ConcatDataset([plain.dataset]), RepeatDataset(plain.dataset, 2))]
    for dataset in (plain, *inside):
        assert (dataset._process and dataset._process.time_limit) == limit
    assert videos(tmp_path, pipeline, time_limit=None)._process is None
    assert videos(tmp_path, pipeline, time_limit=7)._process.time_limit == 7


def test_mistakes_in_a_process_are_no_bad_data():
    with pytest.raises(KeyError, match='imgs'):
        numbers(faults={7: KeyError('imgs')}, time_limit=10)[Sample(0, 0, 7)]


def test_repeats_of_a_clip_are_other_crops_of_the_same_frames(tmp_path):
    write_video(tmp_path / 'a.mp4', 60)
    dataset = videos(tmp_path, num_repeats=4)
    clips = [repeat['inputs'][0] for repeat in dataset[Sample(0, 0, 0)]]
    frames = [[frame_number(image.numpy()) for image in clip.transpose(0, 1)] for clip in clips]
    assert frames == [frames[0]] * 4 and np.diff(frames[0]).tolist() == [4, 4, 4]
    real = [repeat['inputs'] for repeat in videos(REAL)[Sample(0, 0, 0)]]
    assert not any(torch.equal(real[0], other) for other in real[1:])


@pytest.mark.parametrize('decoder', [
    ('amd_mm.DecordInit', 'amd_mm.DecordDecode'), ('amd_mm.PyAVInit', 'amd_mm.PyAVDecode'),
    ('amd_mm.OpenCVInit', 'amd_mm.OpenCVDecode')])
def test_broken_videos_among_good_ones(tmp_path, decoder):
    paths = write_broken_videos(tmp_path)
    write_video(tmp_path / 'one frame.mp4', 1)
    write_video(tmp_path / 'shorter than its span.mp4', 9)
    write_video(tmp_path / 'good.mp4', 60)
    # A span of 60 frames asks every file for all it promises.
    dataset = videos(tmp_path, decoding(4, 15, *decoder), num_repeats=1)
    names = [dataset.get_data_info(n)['filename'] for n in range(len(dataset))]
    bad, frames = set(), {}
    for index, name in enumerate(names):
        packed, = dataset[Sample(0, 0, index)]
        reports = packed['data_samples'].get('bad_samples', ())
        bad.update(path for path, _ in reports)
        if not reports:
            clip = packed['inputs'][0].transpose(0, 1)
            frames[name] = [frame_number(image.numpy()) for image in clip]
    assert frames.pop(f'{tmp_path}/one frame.mp4') == [0, 0, 0, 0]
    assert frames.pop(f'{tmp_path}/shorter than its span.mp4') == [0, 0, 0, 0]
    assert frames.pop(f'{tmp_path}/good.mp4') == [0, 15, 30, 45]
    # Of a file cut short, what is left is used.
    assert frames.keys() <= {str(paths['truncated'])}
    assert bad == {str(path) for path in paths.values()} - frames.keys()
    assert all(ids[0] == 0 and max(ids) < 45 for ids in frames.values())
    assert bool(frames)


def test_image_data_sets_and_one_channel_pictures(tmp_path):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f'{number} grey.png'), np.full((40, 50), 90, np.uint8))
    (tmp_path / 'broken.png').write_bytes(b'no picture')
    dataset = DATASETS.build(dict(
        type='amd_mm.KeyedDataset', num_repeats=2,
        dataset=dict(
            type='mmpretrain.CustomDataset', data_prefix=str(tmp_path), with_label=False,
            pipeline=[dict(type='mmpretrain.LoadImageFromFile')]),
        pipeline=[
            dict(type='mmpretrain.RandomResizedCrop', scale=SIZE, interpolation='bicubic'),
            dict(type='mmpretrain.RandomFlip', prob=0.5),
            dict(type='mmpretrain.PackInputs')]))
    for index in range(4):
        for packed in dataset[Sample(0, 0, index)]:
            assert packed['inputs'].shape == (3, SIZE, SIZE)
            assert packed['inputs'].dtype == torch.uint8 and int(packed['inputs'].min()) == 90
            reports = packed['data_samples'].get('bad_samples', ())
            assert [path for path, _ in reports] == [f'{tmp_path}/broken.png'][:len(reports)]
            assert len(reports) == (index == 3)


def test_bad_pictures_and_frames_are_said_in_words(tmp_path):
    cv2.imwrite(str(tmp_path / 'good.png'), np.full((40, 50, 3), 90, np.uint8))
    (tmp_path / 'zero\udce9\n.jpg').touch()
    (tmp_path / 'text.gif').write_text('no picture')
    dataset = DATASETS.build(dict(
        type='amd_mm.KeyedDataset', num_repeats=1,
        dataset=dict(
            type='amd_mm.PictureDataset', data_prefix=str(tmp_path), with_label=False,
            pipeline=[dict(type='amd_mm.LoadPicture')]),
        pipeline=[dict(type='mmpretrain.PackInputs')]))
    reports = set()
    for index in range(3):
        reports.update(dataset[Sample(0, 0, index)][0]['data_samples'].get('bad_samples', ()))
    assert reports == {(f'{tmp_path}/zero\udce9\n.jpg', 'is empty'),
                       (f'{tmp_path}/text.gif', 'is no picture of a kind that can be read')}
    (tmp_path / 'good.png').unlink()
    with pytest.raises(RuntimeError, match=rf'\n  {tmp_path}/zero\\xe9\\n.jpg: is empty'):
        dataset[Sample(0, 0, 0)]

    (tmp_path / 'frames').mkdir()
    (tmp_path / 'frames/img_00002.jpg').touch()
    (tmp_path / 'list.txt').write_text('frames 2\ngone 2\n')
    dataset = DATASETS.build(dict(
        type='amd_mm.KeyedDataset', num_repeats=1,
        dataset=dict(
            type='amd_mm.RawframeDataset', ann_file=str(tmp_path / 'list.txt'),
            data_prefix=dict(img=str(tmp_path)), pipeline=[
                dict(type='mmaction.SampleFrames', clip_len=2),
                dict(type='amd_mm.RawFrameDecode')]),
        pipeline=[]))
    with pytest.raises(RuntimeError) as caught:
        dataset[Sample(0, 0, 0)]
    assert f'{tmp_path}/frames: {tmp_path}/frames/img_00001.jpg does not exist' in str(caught.value)


def test_data_set_of_a_host(tmp_path):
    write_video(tmp_path / 'a.mp4', 20)
    (tmp_path / 'list.txt').write_text('a.mp4 3\n')
    inner = dict(
        type='mmaction.VideoDataset', ann_file=str(tmp_path / 'list.txt'),
        data_prefix=dict(video=str(tmp_path)), pipeline=decoding())
    dataset = DATASETS.build(dict(type='amd_mm.KeyedDataset', dataset=inner, pipeline=CROPS))
    repeats = dataset[Sample(0, 0, 0)]
    assert [int(r['data_samples'].gt_label) for r in repeats] == [3] * 4
    assert dataset.metainfo == dataset.dataset.metainfo


@pytest.mark.parametrize('copies', [True, False])
def test_a_clip_is_copied_whole_only_where_the_crop_does_not_copy(tmp_path, monkeypatch, copies):
    write_video(tmp_path / 'a.mp4', 60)
    expected = videos(tmp_path)[Sample(0, 3, 0)]
    monkeypatch.setattr(MultiScaleCrop, 'copies_images', copies)
    seen, crop = [], MultiScaleCrop._crop_imgs

    def record(images, box):
        seen.append(images[0])
        return crop(images, box)

    monkeypatch.setattr(MultiScaleCrop, '_crop_imgs', staticmethod(record))
    # In this process, where it is seen.
    found = videos(tmp_path, time_limit=None)[Sample(0, 3, 0)]
    assert len({id(image) for image in seen}) == (1 if copies else len(found))
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a['inputs'], b['inputs'])


def test_samples_of_wrapped_data_sets_are_not_replaced_in_silence():
    """MMEngine's own data sets load another sample, up to 1,000 times, without a word."""
    several = ConcatDataset([Numbers(3), Numbers(2, faults={1: None})])
    assert KeyedDataset(several, [pack], num_repeats=1)[2][0]['inputs'].tolist() == [102] * 3
    for whole, bad in ((several, 4), (RepeatDataset(Numbers(2, faults={1: None}), 3), 5)):
        packed, = KeyedDataset(whole, [pack], num_repeats=1)[Sample(0, 0, bad)]
        (path, reason), = packed['data_samples'].bad_samples
        assert (path, reason) == (
            'file 1', 'ValueError: the pipeline of the wrapped data set returned None')
