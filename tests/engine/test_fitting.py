import pytest

from amd_mm.engine.fitting import fit_batch, fit_update, free_memory


@pytest.mark.parametrize('recipe, samples, update', [
    (512, 240_000, 512), (512, 5120, 512), (512, 5119, 256), (4096, 1000, 64), (8, 12, 1),
    (8, 3, 1), (96, 960, 96)])
def test_an_epoch_has_ten_updates_where_it_can(recipe, samples, update):
    assert fit_update(recipe, samples) == update


@pytest.mark.parametrize('update, processes, most, free, batch', [
    (512, 1, 16, 10_000, 16),  # the recipe plans with no more
    (512, 64, 16, 10_000, 8),  # nor has a process more to do
    (512, 1, 16, 500, 8),  # 100 + 30 * 8 bytes in 80 % of it, 16 are 580
    (12, 1, 8, 10_000, 6),  # whole batches make up an update
    (512, 1, 16, 0, 1),
])
def test_a_batch_is_what_the_memory_holds(update, processes, most, free, batch):
    assert fit_batch(update, processes, most, lambda count: 100 + 30 * count, free) == batch


def test_processes_that_cannot_share_are_refused():
    with pytest.raises(ValueError, match='must be a multiple of the processes, got 512 and 3'):
        fit_batch(512, 3, 16, lambda count: 1, 100)


def test_some_memory_is_free():
    assert 1 << 20 < free_memory() < 1 << 50
