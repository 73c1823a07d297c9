import pytest

from amd_mm.datasets.samplers import EpochSampler


def sampler_of(monkeypatch, rank: int, world_size: int, size: int, **kwargs) -> EpochSampler:
    monkeypatch.setattr('amd_mm.datasets.samplers.get_dist_info', lambda: (rank, world_size))
    return EpochSampler(range(size), **kwargs)


def test_an_epoch_holds_each_sample_once_in_an_order_of_its_own(monkeypatch):
    sampler = sampler_of(monkeypatch, 0, 1, 50, seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert sorted(item.number for item in first) == list(range(50))
    assert sorted(item.number for item in second) == list(range(50))
    assert [item.number for item in first] != [item.number for item in second]
    assert {(item.epoch, item.seed) for item in second} == {(1, 1)}
    # epoch 1 of a seed is not epoch 0 of the next one
    other = [item.number for item in sampler_of(monkeypatch, 0, 1, 50, seed=2)]
    assert other != [item.number for item in second]


def test_unshuffled_order_is_that_of_the_data_set(monkeypatch):
    sampler = sampler_of(monkeypatch, 1, 2, 7, seed=0, shuffle=False)
    assert [item.number for item in sampler] == [1, 3, 5]


def test_a_global_batch_is_the_same_for_any_number_of_processes(monkeypatch):
    size, batch = 53, 4
    alone = sampler_of(monkeypatch, 0, 1, size, seed=3)
    alone.keep_whole(2 * batch)
    expected = list(alone)
    ranks = []
    for rank in range(2):
        sampler = sampler_of(monkeypatch, rank, 2, size, seed=3)
        sampler.keep_whole(batch)
        assert len(sampler) == len(list(sampler)) == 24
        ranks.append(list(sampler))
    for i in range(0, len(expected) // 2, batch):
        together = ranks[0][i:i + batch] + ranks[1][i:i + batch]
        assert set(together) == set(expected[2 * i:2 * (i + batch)])


def test_starting_within_an_epoch_leaves_out_what_lies_before(monkeypatch):
    sampler = sampler_of(monkeypatch, 1, 2, 40, seed=0)
    sampler.keep_whole(6)
    sampler.set_epoch(2)
    whole = list(sampler)
    sampler.start_at(2, 6)
    assert list(sampler) == whole[6:]
    # what a log takes for the length of an epoch stays
    assert len(sampler) == len(whole) == 18
    sampler.set_epoch(2)
    assert list(sampler) == whole


def test_an_epoch_without_a_whole_update_is_refused(monkeypatch):
    with pytest.raises(ValueError, match='data set has 3 in all'):
        sampler_of(monkeypatch, 0, 4, 3, seed=0)
    with pytest.raises(ValueError, match='5 samples for each of 2 processes'):
        sampler_of(monkeypatch, 0, 2, 9, seed=0).keep_whole(5)
