"""Runs as columns: against masks, and against boolean indices."""

from dataclasses import astuple
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from micromet_path.model import Runs
from micromet_path.pixels.runs import join_runs, runs_of, runs_renumbered


def some_runs(rng, n_fragments):
    """Runs of fragments in order; some fragments have none."""
    n = int(rng.integers(0, 200))
    row, start, length = rng.integers(0, 50, (3, n), dtype=np.int32)
    return Runs(row, start, start + length + 1, np.sort(rng.integers(0, n_fragments, n, dtype=np.int32)))


def cut_up(labels, rng):
    """Runs of a picture of labels as blocks of random borders leave them, in random order."""
    borders = {0, labels.shape[1], *rng.integers(1, labels.shape[1], 3).tolist()}
    pieces = []
    for row, line in enumerate(labels):
        ends = np.flatnonzero(np.diff(line)) + 1
        at = sorted(borders | set(ends.tolist()))
        pieces += [(row, x0, x1, line[x0] - 1) for x0, x1 in pairwise(at) if line[x0]]
    return np.array(rng.permutation(pieces), np.int32).reshape(-1, 4).T.copy()


@pytest.mark.parametrize("seed", range(30))
def test_runs_that_blocks_cut_are_whole_again_and_in_order(seed):
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 4, (6, 8)), np.ones((2, int(rng.integers(1, 4))), int))

    runs = join_runs(*cut_up(labels, rng))

    painted = np.zeros_like(labels)
    for row, start, stop, fragment in zip(*astuple(runs), strict=True):
        assert not painted[row, start:stop].any()
        assert start == 0 or labels[row, start - 1] != fragment + 1
        assert stop == labels.shape[1] or labels[row, stop] != fragment + 1
        painted[row, start:stop] = fragment + 1
    assert_array_equal(painted, labels)
    assert_array_equal(np.lexsort((runs.start, runs.row, runs.fragment)), np.arange(len(runs.row)))


def test_runs_that_touch_in_another_row_or_fragment_stay_apart():
    row, start, stop = np.array([[4, 5, 4, 4, 4], [3, 6, 9, 6, 0], [6, 8, 12, 8, 3]], np.int32)
    runs = join_runs(row, start, stop, np.array([0, 0, 0, 1, 0], np.int32))
    assert [runs.row.tolist(), runs.start.tolist(), runs.stop.tolist()] == [[4, 4, 5, 4], [0, 9, 6, 6], [6, 12, 8, 8]]
    assert runs.fragment.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("seed", range(20))
def test_chosen_and_renumbered_runs_are_those_of_an_index(seed):
    rng = np.random.default_rng(seed)
    n_fragments = int(rng.integers(1, 20))
    runs = some_runs(rng, n_fragments)
    chosen = rng.random(n_fragments) < 0.6
    number = np.where(chosen, rng.integers(0, 1000, n_fragments), -1)
    kept = chosen[runs.fragment]

    for column, before in zip(astuple(runs_of(runs, chosen)), astuple(runs), strict=True):
        assert_array_equal(column, before[kept])
        assert column.dtype == np.int32
    renumbered = runs_renumbered(runs, number)
    assert_array_equal(renumbered.fragment, number[runs.fragment][kept])
    assert_array_equal(renumbered.stop, runs.stop[kept])
