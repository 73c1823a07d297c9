import pytest
import torch

from amd_mm.tokens import (
    TokenGrid,
    TokenMask,
    from_windows,
    gather_patches,
    gather_tokens,
    scatter_patches,
    split_prefix,
    to_windows,
)

IMAGE = TokenGrid((14, 14), (16, 16))
VIDEO = TokenGrid((8, 14, 14), (2, 16, 16))


def test_grid_counts():
    assert (VIDEO.num_tokens, VIDEO.per_frame, VIDEO.num_frames) == (1568, 196, 8)
    assert (IMAGE.num_tokens, IMAGE.per_frame, IMAGE.num_frames) == (196, 196, 1)
    assert VIDEO.input_size == (16, 224, 224)
    assert TokenGrid.of_input((16, 224, 224), (2, 16, 16)) == VIDEO


@pytest.mark.parametrize('size, patch, words', [
    ((225, 224), (16, 16), 'rows must be a positive multiple of the patch size 16, got 225'),
    ((224, 8), (16, 16), 'columns must be a positive multiple of the patch size 16, got 8'),
    ((15, 32, 32), (2, 16, 16), 'frames must be a positive multiple of the tubelet size 2, got 15'),
])
def test_input_must_be_a_multiple_of_the_patch(size, patch, words):
    with pytest.raises(ValueError, match=words):
        TokenGrid.of_input(size, patch)


@pytest.mark.parametrize('grid', [TokenGrid((2, 3), (4, 2)), TokenGrid((3, 2, 4), (2, 4, 4))])
def test_patch_i_is_patch_i(grid):
    images = torch.randn(2, 3, *grid.input_size)
    ids = torch.tensor([[5, 0, 3], [1, 4, 2]])
    patches = gather_patches(images, ids, grid)
    strides = [grid.size[-2] * grid.size[-1], grid.size[-1], 1][-len(grid.size):]
    for b in range(2):
        for k in range(3):
            place = [int(ids[b, k]) // stride % size
                     for stride, size in zip(strides, grid.size, strict=True)]
            window = tuple(slice(i * p, (i + 1) * p)
                           for i, p in zip(place, grid.patch, strict=True))
            assert torch.equal(patches[b, k], images[(b, slice(None), *window)])


def test_scatter_undoes_gather():
    grid = TokenGrid((3, 2, 4), (2, 4, 4))
    images, ids = torch.randn(2, 3, *grid.input_size), torch.tensor([[5, 0, 3], [1, 4, 2]])
    other = torch.zeros_like(images)
    filled = scatter_patches(other, ids, gather_patches(images, ids, grid), grid)
    assert torch.equal(gather_patches(filled, ids, grid), gather_patches(images, ids, grid))
    assert (filled != 0).sum() == 2 * 3 * 3 * 32 and not other.any()


def test_tokens_are_gathered_a_sample_at_a_time():
    tokens, ids = torch.randn(2, 5, 3), torch.tensor([[4, 0], [1, 1]])
    expected = torch.stack([tokens[0, [4, 0]], tokens[1, [1, 1]]])
    assert torch.equal(gather_tokens(tokens, ids), expected)
    assert torch.equal(gather_tokens(tokens[:1], ids)[1], tokens[0, [1, 1]])


def test_input_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r'must be \(224, 224\).*got \(224, 240\)'):
        gather_patches(torch.zeros(1, 3, 224, 240), torch.zeros(1, 1, dtype=torch.long), IMAGE)


def test_features_are_ordered_prefix_visible_extra():
    visible, extra = torch.arange(6).view(2, 3), torch.arange(4).view(2, 2)
    mask = TokenMask(visible, extra, extra, extra)
    features = torch.randn(2, 1 + 3 + 2, 5)
    teacher = mask.split_teacher(features)
    assert torch.equal(teacher.prefix, features[:, :1])
    assert torch.equal(teacher.visible, features[:, 1:4])
    assert torch.equal(teacher.extra, features[:, 4:])
    student = mask.split_student(features[:, :4])
    assert torch.equal(student.prefix, features[:, :1])
    assert torch.equal(student.visible, features[:, 1:4])


def test_equal_masks_leave_no_extra_features():
    visible, nothing = torch.arange(6).view(2, 3), torch.zeros(2, 0, dtype=torch.int64)
    features = torch.randn(2, 4, 5)
    teacher = TokenMask(visible, nothing, nothing, nothing).split_teacher(features)
    assert torch.equal(teacher.visible, features[:, 1:])
    assert teacher.extra.shape == (2, 0, 5)


def test_each_teacher_has_a_mask_of_its_own():
    visible, masked = torch.zeros(2, 1), torch.arange(6).view(2, 3)
    narrow, wide = masked[:, :1], masked[:, :2]
    mask = TokenMask(visible, wide, masked, masked, extras=(narrow, wide))
    assert mask.seen_by(0) == TokenMask(visible, narrow, masked, masked)
    assert mask.seen_by(1) == TokenMask(visible, wide, masked, masked)
    alone = TokenMask(visible, wide, masked, masked)
    assert alone.seen_by(0) is alone
    with pytest.raises(IndexError):
        alone.seen_by(1)


def test_prefix_is_what_comes_first():
    tokens = torch.randn(2, 5, 3)
    prefix, patches = split_prefix(tokens, 2)
    assert torch.equal(prefix, tokens[:, :2]) and torch.equal(patches, tokens[:, 2:])


def test_windows_and_back():
    """Token 0 is the class token, 1 to 15 are rows of five."""
    tokens = torch.arange(16.)[None, :, None]
    groups = to_windows(tokens, (3, 5), 2)
    assert [group.squeeze(-1).int().tolist() for group in groups] == [
        [[0, 1, 2, 6, 7], [0, 3, 4, 8, 9]], [[0, 5, 10]], [[0, 11, 12], [0, 13, 14]], [[0, 15]]]
    torch.testing.assert_close(from_windows(groups, (3, 5), 2, 1), tokens)
    # The class token becomes the mean over its six windows.
    groups[1] = groups[1] + 6
    merged = from_windows(groups, (3, 5), 2, 1).squeeze().tolist()
    assert merged == [1, 1, 2, 3, 4, 11, 6, 7, 8, 9, 16, 11, 12, 13, 14, 15]


@pytest.mark.parametrize('prefix', [0, 1, 4])
@pytest.mark.parametrize('window', [1, 2, 3, 4, 7, 9])
def test_windows_are_taken_back_from_batches_of_any_size(window, prefix):
    tokens = torch.randn(3, prefix + 6 * 7, 2)
    groups = to_windows(tokens, (6, 7), window)
    assert len(groups) == (1 + (6 % window > 0 and window < 6)) * (
        1 + (7 % window > 0 and window < 7))
    torch.testing.assert_close(from_windows(groups, (6, 7), window, 3), tokens)
