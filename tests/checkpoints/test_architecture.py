"""What is read off weights and from what their file says, and what is not guessed."""
from dataclasses import replace

import pytest
from golden import golden
from tiny_vits import image_vit, video_vit

from amd_mm.checkpoints.architecture import (
    Architecture,
    architecture_of,
    computed_positions,
    heads_of,
    with_usual_size,
)
from amd_mm.checkpoints.matching import assemble, detect
from amd_mm.checkpoints.reading import Checkpoint


def canonical(state: dict) -> dict:
    return assemble(state, detect(state))


def test_from_shapes() -> None:
    video = architecture_of(canonical(video_vit().state_dict()))
    assert video == Architecture('video', 24, 2, 96, 8, 3, 2, False, num_positions=32)
    image = architecture_of(canonical(image_vit().state_dict()))
    assert image == Architecture('image', 24, 2, 96, 8, 3, 1, True, num_positions=17,
                                 image_size=(32, 32), num_frames=1)
    assert image.grid == (1, 4, 4) and video.grid is None


@pytest.mark.parametrize('says', [
    dict(config={'num_attention_heads': 3, 'image_size': 32, 'num_frames': 8}),
    dict(meta={'meta': {'cfg': 'model = dict(backbone=dict(num_heads=3, img_size=32, '
                               'num_frames=8))'}}),
])
def test_from_what_the_file_says(says: dict) -> None:
    weights = canonical(golden('amd.teacher.'))
    net = architecture_of(weights, Checkpoint({}, **says))
    assert (net.num_heads, net.grid) == (3, (4, 4, 4))


@pytest.mark.parametrize('size', ['(16, 64)', '[16, 64]'])
def test_rows_and_columns_may_differ(size: str) -> None:
    """As many tokens as a square has are a square only where the file does not say otherwise."""
    weights = canonical(image_vit(img_size=(16, 64)).state_dict())
    said = dict(meta={'meta': {'cfg': f'model = dict(backbone=dict(img_size={size}))'}})
    net = architecture_of(weights, Checkpoint({}, **said))
    assert (net.image_size, net.grid) == ((16, 64), (1, 2, 8))
    own = image_vit(img_size=(16, 64)).architecture
    assert net == replace(own, num_heads=None, activation=None, norm_eps=None, qk_scale=None)
    assert net.differences(image_vit().architecture) == [
        'image size: checkpoint 16 x 64, model 32']
    assert architecture_of(weights).image_size == (32, 32)
    odd = canonical(image_vit(img_size=(16, 24)).state_dict())
    assert architecture_of(odd).image_size is None


def test_a_file_that_contradicts_its_table_is_not_believed() -> None:
    weights = canonical(video_vit().state_dict())
    net = architecture_of(weights, Checkpoint({}, config={'image_size': 64, 'num_frames': 4}))
    assert net.grid is None and net.num_positions == 32


def test_usual_sizes_are_taken_only_where_they_fit() -> None:
    net = Architecture('video', 1024, 24, 4096, 16, 3, 2, False)
    assert with_usual_size(net).grid == (8, 14, 14)
    assert with_usual_size(replace(net, num_positions=1568)).grid == (8, 14, 14)
    with pytest.raises(ValueError, match='784 positions are not the 1568 of 16 frames at 224'):
        with_usual_size(replace(net, num_positions=784))


def test_heads() -> None:
    net = Architecture('video', 1280, 32, 5120, 16, 3, 2, False)
    assert heads_of(net) == 16 and heads_of(replace(net, num_heads=20)) == 20
    with pytest.raises(ValueError, match='width 24'):
        heads_of(replace(net, width=24))


def test_differences_name_both_values() -> None:
    net = Architecture('video', 1024, 24, 4096, 16, 3, 2, False, num_frames=16)
    other = replace(net, width=768, depth=12, num_frames=8, image_size=(112, 112))
    assert net.differences(other) == [
        'width: checkpoint 1024, model 768', 'depth: checkpoint 24, model 12',
        'frame count: checkpoint 16, model 8']


@pytest.mark.parametrize('size', [10**5, 10**30])
def test_a_table_larger_than_any_networks_is_not_made(size: int) -> None:
    net = Architecture(modality='video', width=768, depth=1, mlp_width=768, patch=16, channels=3,
                       tubelet=2, class_token=False, num_positions=None, image_size=(size, size),
                       num_frames=16, positions='sequence')
    with pytest.raises(ValueError, match='must be those of a network, but 16 frames at'):
        computed_positions(net)
