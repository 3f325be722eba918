"""Dot patterns: enough dots, close enough; crumbs beside cells are none."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from micromet_path.errors import ConfigError
from micromet_path.pixels.dots import DotParams, gather_dots, is_crumb

PARAMS = DotParams()


def row_of(n, apart_um=8.0, x=0.0, y=0.0):
    return np.column_stack([x + np.arange(n) * apart_um, np.full(n, y)])


@pytest.mark.parametrize(("n", "is_pattern"), [(0, False), (1, False), (9, False), (10, True), (12, True)])
def test_ten_dots_make_a_pattern(n, is_pattern):
    assert gather_dots(row_of(n), PARAMS).tolist() == [0 if is_pattern else -1] * n


def test_dots_too_far_apart_make_none():
    assert np.all(gather_dots(row_of(30, apart_um=13.0), PARAMS) == -1)  # at most 8 in 100 um
    assert np.all(gather_dots(row_of(30, apart_um=26.0), PARAMS) == -1)


def test_a_long_row_is_one_pattern():
    assert np.all(gather_dots(row_of(60), PARAMS) == 0)


def test_two_patterns_are_two_in_the_order_of_their_first_dot():
    dots = np.concatenate([row_of(12, y=500.0), row_of(12), [[1000.0, 0.0]]])
    assert gather_dots(dots, PARAMS).tolist() == [0] * 12 + [1] * 12 + [-1]
    assert gather_dots(dots[::-1], PARAMS).tolist() == [-1] + [0] * 12 + [1] * 12


def in_a_full_circle(dots):
    """By brute force: a circle that holds as many as any can be moved until two dots lie on it."""
    radius = PARAMS.window_um / 2 + 1e-6
    first, second = np.triu_indices(len(dots), 1)
    half = (dots[second] - dots[first]) / 2
    length = np.hypot(*half.T)
    kept = (length > 0) & (length <= radius)
    first, half, length = first[kept], half[kept], length[kept]
    across = np.column_stack([-half[:, 1], half[:, 0]]) * (np.sqrt(radius**2 - length**2) / length)[:, None]
    middles = np.concatenate([dots[first] + half + across, dots[first] + half - across, dots])
    held = cdist(middles, dots) <= radius + 1e-6
    return held[held.sum(axis=1) >= PARAMS.minimum_count].any(axis=0)


def test_dots_around_an_empty_middle_are_found():
    """No dot has ten others within 50 um, the circle around them has all."""
    angle = np.arange(10) * 2 * np.pi / 10
    ring = 40.0 * np.column_stack([np.cos(angle), np.sin(angle)])
    assert (cdist(ring, ring) <= 50).sum(axis=1).max() < 10
    assert gather_dots(ring, PARAMS).tolist() == [0] * 10


@pytest.mark.parametrize("seed", range(12), ids="seed{}".format)
def test_patterns_follow_their_definition(seed):
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 500, (rng.integers(1, 8), 2))
    dots = centres[rng.integers(0, len(centres), 90)] + rng.normal(0, rng.uniform(10, 60), (90, 2))

    group = gather_dots(dots, PARAMS)

    apart = cdist(dots, dots)
    assert not np.any(group[~in_a_full_circle(dots)] >= 0)
    is_core = (apart <= PARAMS.window_um / 2).sum(axis=1) >= PARAMS.minimum_count
    assert np.all(group[is_core] >= 0) or group.max() >= 0 or not is_core.any()
    for k in range(group.max() + 1):
        members = np.flatnonzero(group == k)
        assert len(members) >= PARAMS.minimum_count
        others = (group >= 0) & (group != k)
        assert np.all(apart[np.ix_(members, others)] > PARAMS.link_um)
        reached = {int(members[0])}
        while True:
            more = set(members[(apart[np.ix_(members, sorted(reached))] <= PARAMS.link_um).any(axis=1)].tolist())
            if more == reached:
                break
            reached = more
        assert reached == set(members.tolist())


def test_the_order_of_dots_changes_no_pattern():
    rng = np.random.default_rng(0)
    dots = rng.uniform(0, 250, (80, 2))
    order = rng.permutation(80)
    one, two = gather_dots(dots, PARAMS)[order], gather_dots(dots[order], PARAMS)
    assert len(np.unique(np.column_stack([one, two]), axis=0)) == len(np.unique(one)) == len(np.unique(two))
    assert np.array_equal(one < 0, two < 0)


def test_a_crumb_lies_beside_a_cell():
    dots = np.array([[0.0, 0.0], [24.9, 0.0], [26.0, 0.0], [100.0, 100.0]])
    outline = np.array([[-0.05, 0.0], [500.0, 500.0]])
    assert is_crumb(dots, outline, PARAMS).tolist() == [True, True, False, False]


def test_without_cells_or_dots_nothing_is_a_crumb():
    none = np.empty((0, 2))
    assert is_crumb(row_of(3), none, PARAMS).tolist() == [False] * 3
    assert is_crumb(none, row_of(3), PARAMS).tolist() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"minimum_count": 1},
        {"link_um": 0.0},
        {"link_um": 101.0},
        {"window_um": 20.0},
        {"link_um": float("nan")},
        {"crumb_um": -1.0},
        {"strong_od": float("nan")},
        {"pale_od": 0.5},
        {"pale_od": -0.1},
        {"pale_od": float("nan")},
        {"largest_um2": -1.0},
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ConfigError, match="dots: expected"):
        DotParams(**wrong)
