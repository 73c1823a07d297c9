import torch

from amd_mm.models.masks.rectangles import block_shape, covered, hide_blocks


def test_a_block_has_its_area_and_its_ratio_inside_the_frame():
    assert block_shape(16, 1, (14, 14)) == (4, 4)
    assert block_shape(29, .75, (14, 14)) == (5, 6)  # 4.66 x 6.22
    assert block_shape(137, 1.5, (14, 14)) == (14, 10)  # 14.3 x 9.6
    assert block_shape(137, .75, (10, 12)) == (10, 12)
    assert block_shape(.1, 1, (14, 14)) == (1, 1)


def test_blocks_lie_where_the_luck_says():
    shape = torch.tensor([[2, 3], [3, 1], [3, 4]])
    # of 2 rows of begin 0 and 1, of 2 columns; of 1 and 4; of 1 and 1
    luck = torch.tensor([[3, 4], [7, -1], [5, 9]])
    expected = ['....'
                '###.'
                '###.',
                '...#'
                '...#'
                '...#',
                '#' * 12]
    found = [''.join('.#'[int(place)] for place in block)
             for block in covered(shape, luck, (3, 4))]
    assert found == expected


def test_first_come_first_hidden_and_the_last_is_cut_by_rows():
    # block 0 covers places 1 and 2, block 1 places 3 and 4, none place 0
    block = torch.tensor([[2, 0, 0, 1, 1]] * 2)
    scores = hide_blocks(block, torch.tensor([4, 5]), 2)
    assert scores.argsort(stable=True).tolist() == [[0, 3, 4, 1, 2], [0, 4, 3, 2, 1]]
