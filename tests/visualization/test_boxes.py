"""Pixels of outlines and titles."""
import numpy as np

from amd_mm.visualization import draw_boxes

RED, GREEN = (255, 0, 0), (0, 255, 0)


def test_outlines_have_their_colours_and_the_first_box_lies_on_top():
    image = np.full((60, 80, 3), 7, np.uint8)
    drawn = draw_boxes(image, [(10, 20, 40, 50), (30, 5, 70, 50)], ['', ''], [RED, GREEN])
    assert (image == 7).all()
    assert (drawn[35, 10] == RED).all() and (drawn[35, 40] == RED).all()
    assert (drawn[20:51, 70] == GREEN).all()
    # Both have this edge.
    assert (drawn[50, 35] == RED).all() and (drawn[50, 45] == GREEN).all()
    # Inside and outside nothing changes.
    assert (drawn[40, 20] == 7).all() and (drawn[57:] == 7).all()


def test_a_title_stands_in_the_upper_left_corner():
    image = np.zeros((60, 80, 3), np.uint8)
    bare, titled = (draw_boxes(image, [(10, 20, 70, 50)], [text], [RED]) for text in ('', 'cell'))
    rows, columns = np.nonzero((bare != titled).any(-1))
    assert 20 <= rows.min() and rows.max() <= 31
    assert 10 <= columns.min() and columns.max() <= 40
    assert titled[20:30, 12:30].min(-1).max() > 150


def test_no_box():
    image = np.full((4, 4, 3), 9, np.uint8)
    assert (draw_boxes(image, [], [], []) == image).all()
