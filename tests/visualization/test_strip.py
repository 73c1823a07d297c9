"""The drawings hold the views' own pixels, in the right places."""
import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from amd_mm.visualization import draw_frames, draw_strip, write_gif


def place(panel: torch.Tensor, factor: int, drawing: np.ndarray) -> tuple[int, int]:
    """Row and column where a view (C, H, W), enlarged, stands in a drawing, exactly once."""
    pixels = (panel * 255).round().byte().expand(3, -1, -1).permute(1, 2, 0).numpy()
    pixels = pixels.repeat(factor, 0).repeat(factor, 1)
    assert drawing.dtype == np.uint8 and drawing.shape[2] == 3
    # Its first row first: comparing all of it everywhere takes long.
    rows = sliding_window_view(drawing, (1, *pixels.shape[1:]))[:, :, 0, 0]
    starts = np.argwhere((rows == pixels[0]).all((2, 3)))
    found = [(y, x) for y, x in starts.tolist()
             if np.array_equal(drawing[y:y + len(pixels), x:x + pixels.shape[1]], pixels)]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def pictures() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(2, 3, 30, 40, generator=generator) for name in ('input', 'output')}


@pytest.fixture
def clips() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(2, 3, 5, 32, 32, generator=generator) for name in ('input', 'output')}


def test_images_are_rows_of_views(pictures):
    drawing = draw_strip(pictures, 'A caption.')
    # 30 pixels are enlarged 5 times, beyond 128.
    places = [[place(view[i], 5, drawing) for view in pictures.values()] for i in range(2)]
    assert [y for y, _ in places[0]] == [places[0][0][0]] * 2  # side by side
    assert places[0][1][1] >= places[0][0][1] + 5 * 40  # in the views' order, none over another
    assert places[1][0][0] >= places[0][0][0] + 5 * 30
    assert [x for _, x in places[1]] == [x for _, x in places[0]]


def test_clips_are_rows_of_frames(clips):
    drawing = draw_strip(clips, max_frames=3)
    for i in range(2):
        places = [[place(view[i, :, t], 3, drawing) for t in (0, 2, 4)]
                  for view in clips.values()]
        assert [[y for y, _ in row] for row in places] == [[row[0][0]] * 3 for row in places]
        assert places[0][0][1] < places[0][1][1] < places[0][2][1]
        assert places[0][0][0] < places[1][0][0]
    # With more than there are, all stand there.
    for t in range(5):
        place(clips['input'][0, :, t], 3, draw_strip(clips, max_frames=100))
    with pytest.raises(ValueError, match='max_frames must be at least 1, got 0'):
        draw_strip(clips, max_frames=0)


def test_labels_and_caption_are_drawn(pictures):
    plain = draw_strip(pictures)
    renamed = draw_strip(dict(zip(('other', 'names'), pictures.values(), strict=True)))
    assert plain.shape == renamed.shape and not np.array_equal(plain, renamed)
    # A caption only adds lines below, as many as it needs.
    one, many = (draw_strip(pictures, 'word ' * count) for count in (1, 100))
    assert len(plain) < len(one) < len(many)
    for drawing in (one, many):
        assert np.array_equal(drawing[:len(plain)], plain)
        assert (drawing[len(plain):] < 128).any()


def test_values_outside_the_range_do_not_wrap_and_one_channel_is_gray():
    view = torch.tensor([-0.2, 1.3]).repeat(1, 1, 128, 64)
    drawing = draw_strip(dict(input=view))
    y, x = place(torch.tensor([0., 1.]).repeat(1, 128, 64), 1, drawing)
    assert (drawing[y, x] == 0).all() and (drawing[y, x + 1] == 255).all()


def test_an_animation_has_a_picture_a_frame(clips, tmp_path):
    first = {name: view[:1] for name, view in clips.items()}
    frames = draw_frames(first, 'A caption.')
    assert len(frames) == 5 and len({frame.shape for frame in frames}) == 1
    for t, frame in enumerate(frames):
        (y1, x1), (y2, x2) = (place(view[0, :, t], 4, frame) for view in first.values())
        assert y1 == y2 and x1 < x2

    write_gif(frames, tmp_path / 'clip.gif', fps=10)
    with Image.open(tmp_path / 'clip.gif') as gif:
        assert (gif.n_frames, gif.info['duration'], gif.info['loop']) == (5, 100, 0)
        for t, frame in enumerate(frames):
            gif.seek(t)
            # Noise has more than 256 colours; another frame would be 85 levels off.
            assert np.abs(np.asarray(gif.convert('RGB')).astype(int) - frame).mean() < 15
