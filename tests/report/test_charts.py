"""Where the points of a curve lie."""
from amd_mm.report import draw_bars, draw_chart
from amd_mm.report.charts import thinned


def test_points_span_the_frame_and_the_ends_are_written():
    drawn = draw_chart('a <b>', {'loss': [(10, 4.0), (20, 1.0), (30, 2.5)]})
    assert 'points="66.0,26.0 238.0,200.0 410.0,113.0"' in drawn
    assert all(f'>{text}</text>' in drawn
               for text in ('a &lt;b&gt;', '4', '2.5', '1', '10', '30', 'update'))
    assert '<figcaption>' not in drawn


def test_one_point_is_drawn_in_the_middle():
    drawn = draw_chart('loss', {'loss': [(7, 3.0)]})
    assert 'points="238.0,113.0"' in drawn and drawn.count('>update 7</text>') == 1
    assert '>7</text>' not in drawn and drawn.count('>3</text>') == 1


def test_an_axis_has_the_digits_that_tell_its_ends_apart():
    drawn = draw_chart('loss', {'loss': [(1, 2.0812), (2, 2.0844)]})
    assert all(f'>{text}</text>' in drawn for text in ('2.081', '2.083', '2.084'))


def test_positive_values_far_apart_are_drawn_by_their_logarithm():
    drawn = draw_chart('lr', {'a': [(0, 1.0), (1, 10.0), (2, 100.0)], 'b': [(0, 10.0)]})
    assert 'points="66.0,200.0 238.0,113.0 410.0,26.0"' in drawn
    assert '>lr (logarithmic)</text>' in drawn and drawn.count('&#9632;') == 2
    below = draw_chart('x', {'x': [(0, -1.0), (1, 10.0), (2, 100.0)]})
    assert '(logarithmic)' not in below


def test_long_curves_are_drawn_by_the_means_of_neighbours_and_their_end():
    long = [(step, float(step % 2)) for step in range(1, 601)]
    found = thinned(long)
    assert len(found) == 300 and found[0] == (2, .5) and found[-1] == (600, 0.)
    assert thinned(long[:300]) == long[:300]


def test_bars_are_as_long_as_their_values():
    drawn = draw_bars('time', {'data': 10., '<student>': 40.}, '%')
    assert 'width="55.0"' in drawn and 'width="220.0"' in drawn
    assert '>10 %</text>' in drawn and '>&lt;student&gt;</text>' in drawn
