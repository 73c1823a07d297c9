import numpy as np

from amd_mm.visualization import legend, paint

PALETTE = [(0, 0, 0), (255, 100, 0)]


def test_colours_are_mixed_where_a_class_counts():
    image = np.full((1, 4, 3), 100, np.uint8)
    labels = np.array([[0, 1, 255, -1]])
    assert paint(image, labels, PALETTE)[0].tolist() == [
        [50, 50, 50], [178, 100, 50], [100, 100, 100], [100, 100, 100]]
    assert paint(image, labels, PALETTE, opacity=1)[0, :2].tolist() == [[0, 0, 0], [255, 100, 0]]
    assert (image == 100).all()


def test_a_legend_has_the_colour_of_each_name():
    image = np.full((120, 200, 3), 90, np.uint8)
    drawn = legend(image, ['first', 'second'], [(1, 2, 3), (200, 10, 50)])
    # Squares of 9 pixels, 4 from the edge, 13 from one to the next.
    assert drawn[8, 8].tolist() == [1, 2, 3] and drawn[21, 8].tolist() == [200, 10, 50]
    assert (drawn[60:] == 90).all() and (drawn[0, 0] < 90).all()
    assert drawn[4:14, 20:40].max() > 200 and (drawn[:40, 150:] == 90).all()
    assert (legend(image, [], []) == image).all()
