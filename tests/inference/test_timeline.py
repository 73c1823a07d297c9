import numpy as np
import pytest

from amd_mm.inference import Cue, Scored, cues, smoothed, spans


def line(*scores, stride=1., length=2.) -> list[Scored]:
    return [Scored(stride * number, stride * number + length, np.array(pair, np.float32))
            for number, pair in enumerate(scores)]


def test_a_mean_over_near_middles():
    windows = line([1, 0], [0, 1], [0, 1], [1, 0])
    # Middles at 1, 2, 3, 4.
    assert [one.scores.tolist() for one in smoothed(windows, 2)] == [
        pytest.approx(pair) for pair in ([.5, .5], [1 / 3, 2 / 3], [1 / 3, 2 / 3], [.5, .5])]
    assert [(one.start, one.end) for one in smoothed(windows, 2)] == [
        (one.start, one.end) for one in windows]
    assert list(smoothed(windows, 0)) == windows
    assert [one.scores.tolist() for one in smoothed(windows, 1.9)] == [
        one.scores.tolist() for one in windows]
    assert list(smoothed([], 3)) == []


def test_smoothing_waits_for_no_more_than_it_needs():
    taken = []

    def coming():
        for window in line(*[[1, 0]] * 9):
            taken.append(window)
            yield window

    next(smoothed(coming(), 4))
    # Middle 1 needs those up to 3; that the next one is further off tells that they are there.
    assert len(taken) == 4


def test_each_moment_belongs_to_the_nearest_middle():
    windows = [*line([1, 0], [0, 1]), Scored(7, 8, np.array([1, 0]))]
    assert [(one.start, one.end) for one in spans(windows)] == [(0, 1.5), (1.5, 4.75), (4.75, 8)]
    assert list(spans([])) == []


def test_neighbours_of_one_class_are_one_cue():
    windows = line([.9, .1], [.7, .3], [.4, .6], [.45, .55], [.8, .2])
    assert list(cues(windows)) == [
        Cue(0, 2.5, 0, pytest.approx(.8)), Cue(2.5, 4.5, 1, pytest.approx(.575)),
        Cue(4.5, 6, 0, pytest.approx(.8))]
    assert [(cue.start, cue.end, cue.label) for cue in cues(windows, .6)] == [
        (0, 2.5, 0), (2.5, 3.5, 1), (4.5, 6, 0)]
    assert list(cues([], .5)) == []
