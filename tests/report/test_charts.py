"""Where the points of a curve lie."""
from amd_mm.report import draw_chart


def test_points_span_the_frame_and_the_ends_are_written():
    drawn = draw_chart('a <b>', {'loss': [(10, 4.0), (20, 1.0), (30, 2.5)]})
    assert 'points="64.0,26.0 238.0,196.0 412.0,111.0"' in drawn
    assert all(f'>{text}</text>' in drawn for text in ('a &lt;b&gt;', '4', '1', '10', '30'))


def test_one_point_is_drawn():
    assert 'points="64.0,196.0"' in draw_chart('loss', {'loss': [(1, 3.0)]})
