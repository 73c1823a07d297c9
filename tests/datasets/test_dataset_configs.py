"""The data bases of the pre-training recipes, on small data of the same layout."""
from pathlib import Path

import av
import cv2
import pytest
from clips import REAL
from mmengine.config import Config
from mmengine.runner import Runner

CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'


def one_batch(name, **inner):
    config = Config.fromfile(CONFIGS / f'{name}.py').train_dataloader
    config.dataset.dataset.update(inner)
    config.update(batch_size=1, num_workers=0, persistent_workers=False)
    return next(iter(Runner.build_dataloader(config, seed=0)))


@pytest.fixture
def video_list(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_text('carphone_distorted.mp4 3\n')
    return str(path)


@pytest.fixture
def frame_list(tmp_path):
    (tmp_path / 'clip').mkdir()
    with av.open(str(REAL / 'carphone_distorted.mp4')) as container:
        for number, frame in enumerate(container.decode(video=0), 1):
            picture = frame.to_ndarray(format='bgr24')
            cv2.imwrite(str(tmp_path / 'clip' / f'img_{number:05}.jpg'), picture)
            if number == 70:
                break
    path = tmp_path / 'frames.txt'
    path.write_text('clip 70 3\n')
    return dict(ann_file=str(path), data_prefix=dict(img=str(tmp_path)))


def check_clips(batch):
    assert [clip.shape for clip in batch['inputs']] == [(1, 3, 16, 224, 224)] * 4
    assert all(clip.dtype.is_floating_point is False for clip in batch['inputs'])
    assert len({sample.sample_key for sample in batch['data_samples']}) == 4


@pytest.mark.parametrize('name', ['kinetics400_videos', 'sthv2_videos'])
def test_lists_of_videos(name, video_list):
    batch = one_batch(name, ann_file=video_list, data_prefix=dict(video=str(REAL)))
    check_clips(batch)
    assert int(batch['data_samples'][0].gt_label) == 3


@pytest.mark.parametrize('name', ['kinetics400_frames', 'sthv2_frames'])
def test_lists_of_frames(name, frame_list):
    check_clips(one_batch(name, **frame_list))


def test_own_videos():
    check_clips(one_batch('own_videos', data_prefix=dict(video=str(REAL))))


@pytest.mark.parametrize('name,settings', [
    ('own_images', lambda folder: dict(data_prefix=folder)),
    ('imagenet', lambda folder: dict(data_root=folder, split='', ann_file='list.txt')),
])
def test_images(tmp_path, name, settings):
    (tmp_path / 'n01440764').mkdir()
    with av.open(str(REAL / 'carphone_distorted.mp4')) as container:
        picture = next(container.decode(video=0)).to_ndarray(format='bgr24')
    cv2.imwrite(str(tmp_path / 'n01440764' / 'a b.JPEG'), picture)
    (tmp_path / 'list.txt').write_text('n01440764/a b.JPEG 0')
    batch = one_batch(name, **settings(str(tmp_path)))
    assert [image.shape for image in batch['inputs']] == [(3, 224, 224)]


def test_recipes_keep_their_sampling():
    def sampling(name):
        config = Config.fromfile(CONFIGS / f'{name}.py')
        sample, = (step for step in config.train_dataloader.dataset.dataset.pipeline
                   if 'Sample' in step.type)
        return sample.type, sample.clip_len, sample.frame_interval

    for kind in ('videos', 'frames'):
        assert sampling(f'kinetics400_{kind}') == ('amd_mm.SampleStridedFrames', 16, 4)
        assert sampling(f'sthv2_{kind}') == ('amd_mm.SampleEvenFrames', 16, 2)


def test_decoder_is_a_setting():
    config = Config.fromfile(CONFIGS / 'kinetics400_videos.py')
    steps = 'train_dataloader.dataset.dataset.pipeline'
    config.merge_from_dict({f'{steps}.0.type': 'amd_mm.DecordInit',
                            f'{steps}.2.type': 'amd_mm.DecordDecode'})
    kinds = [step.type for step in config.train_dataloader.dataset.dataset.pipeline]
    assert kinds == ['amd_mm.DecordInit', 'amd_mm.SampleStridedFrames', 'amd_mm.DecordDecode']
