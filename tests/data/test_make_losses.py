"""The golden numbers can be made again, from nothing but torch and the papers."""
import runpy
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).with_name('make_losses.py')


def test_the_stored_numbers_are_those_of_the_restatement(tmp_path):
    script = runpy.run_path(str(SCRIPT))
    stored = script['read']()
    made = script['make'](stored)
    assert set(made) == {name for name in stored if 'loss_' in name or '.grad.' in name}
    assert all(value.shape == stored[name].shape for name, value in made.items())
    loss, gradient = script['deviations'](made, stored)
    assert loss < 1e-6 and gradient < 2e-5
    script['main'](str(tmp_path / 'again.npz'))
    again = script['read'](tmp_path / 'again.npz')
    assert set(again) == set(stored)
    # Written are the new numbers, among the inputs and weights as they were.
    assert all(np.array_equal(value, made.get(name, stored[name]))
               for name, value in again.items())


def test_a_wrong_number_would_be_noticed():
    script = runpy.run_path(str(SCRIPT))
    stored = script['read']()
    made = script['make'](stored)
    made['amd.loss_dir'] = made['amd.loss_dir'] * 1.001
    made['dmae.norm1.grad.norm.bias'] = made['dmae.norm1.grad.norm.bias'] + .001
    loss, gradient = script['deviations'](made, stored)
    assert loss > 5e-4 and gradient > 5e-5
