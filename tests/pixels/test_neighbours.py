"""Neighbours of points, against scipy's tree and against all distances."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from micromet_path.pixels.neighbours import count_within, nearest_of, nearest_other, pairs_within


def points_of(seed):
    """Scattered points, a lattice full of ties, points of one height, doubles, a few and none."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 200))
    yield rng.uniform(-50, 50, (n, 2))
    yield rng.integers(0, 8, (n, 2)).astype(float)
    yield np.column_stack([np.full(n, 3.0), rng.uniform(0, 50, n)])
    yield np.repeat(rng.uniform(0, 9, (n, 2)), 2, axis=0)
    yield rng.uniform(0, 9, (1, 2))
    yield np.empty((0, 2))


@pytest.mark.parametrize("seed", range(30))
def test_pairs_are_those_of_a_tree(seed):
    reach = float(np.random.default_rng(seed).choice([0.0, 0.7, 1.0, 5.0, 200.0]))
    for points in points_of(seed):
        expected = cKDTree(points).query_pairs(reach) if len(points) else set()
        pairs = pairs_within(points, reach)
        assert pairs.shape == (len(expected), 2)
        assert set(map(tuple, pairs.tolist())) == expected


@pytest.mark.parametrize("seed", range(30))
def test_points_around_a_place_are_as_many_as_by_all_distances(seed):
    rng = np.random.default_rng(seed)
    reach = float(rng.choice([0.0, 0.7, 1.0, 5.0, 200.0]))
    for points in points_of(seed):
        for places in (rng.uniform(-90, 90, (70, 2)), rng.integers(-3, 12, (70, 2)).astype(float), points, points[:0]):
            expected = (cdist(places, points, "sqeuclidean") <= reach * reach).sum(axis=1)
            assert_array_equal(count_within(points, places, reach), expected)


@pytest.mark.parametrize("seed", range(30))
def test_the_nearest_other_point_is_that_of_a_tree(seed):
    for points in points_of(seed):
        away = nearest_other(points)
        if len(points) < 2:
            assert np.isinf(away).all()
        else:
            assert_allclose(away, cKDTree(points).query(points, k=2)[0][:, 1])


@pytest.mark.parametrize("seed", range(30))
def test_the_nearest_point_of_a_place_is_the_first_of_those_as_near(seed):
    rng = np.random.default_rng(seed)
    for points in points_of(seed):
        if not len(points):
            continue
        for places in (rng.uniform(-90, 90, (70, 2)), rng.integers(-3, 12, (70, 2)).astype(float), points[:0]):
            index, away = nearest_of(points, places)
            apart = cdist(places, points, "sqeuclidean")  # exact between whole numbers, where there are ties
            assert_array_equal(index, apart.argmin(axis=1))
            assert_allclose(away, np.sqrt(apart.min(axis=1)))
