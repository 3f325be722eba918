"""Outlines against an independent judge: the union of the runs' boxes."""

import numpy as np
import pytest
import shapely
from numpy.testing import assert_array_equal

from micromet_path.pixels.outline import Outlines, trace_outlines


def runs_of(mask, x0=0, y0=0):
    """Runs (row, start, stop) of a boolean image."""
    padded = np.pad(mask.astype(np.int8), ((0, 0), (1, 1)))
    change = np.diff(padded, axis=1)
    row, start = np.nonzero(change == 1)
    _, stop = np.nonzero(change == -1)
    return row + y0, start + x0, stop + x0


def traced(mask, **where):
    row, start, stop = runs_of(mask, **where)
    return trace_outlines(row, start, stop, np.zeros(len(row), int), 1)


def as_geometry(outlines: Outlines, group=0):
    return shapely.MultiPolygon([(rings[0], rings[1:]) for rings in outlines.polygons(group)])


def judge(row, start, stop):
    return shapely.union_all(shapely.box(start, row, stop, row + 1))


def assert_is_outline_of(outlines, row, start, stop, group=0):
    geometry = as_geometry(outlines, group)
    expected = judge(row, start, stop)
    assert geometry.is_valid, shapely.is_valid_reason(geometry)
    assert geometry.area == (stop - start).sum()
    assert shapely.symmetric_difference(geometry, expected).area == 0
    for rings in outlines.polygons(group):
        assert shapely.Polygon(rings[0]).exterior.is_ccw
        assert all(not shapely.Polygon(hole).exterior.is_ccw for hole in rings[1:])
        assert all(len(np.unique(ring, axis=0)) == len(ring) for ring in rings)
        assert all(turns_everywhere(ring) for ring in rings)


def turns_everywhere(ring):
    step = np.diff(np.concatenate([ring, ring[:2]]), axis=0) != 0
    return bool((step.sum(axis=1) == 1).all() and (step[1:] != step[:-1]).all())


@pytest.mark.parametrize("density", [0.1, 0.4, 0.5, 0.6, 0.9])
@pytest.mark.parametrize("seed", range(12))
def test_noise_matches_the_union_of_boxes(seed, density):
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 40, size=2)) < density
    row, start, stop = runs_of(mask, x0=1000, y0=77)

    outlines = trace_outlines(row, start, stop, np.zeros(len(row), int), 1)

    assert_is_outline_of(outlines, row, start, stop)


@pytest.mark.parametrize("seed", range(6))
def test_groups_are_traced_apart_in_any_order(seed):
    rng = np.random.default_rng(seed)
    row, start, stop = runs_of(rng.random((60, 50)) < 0.5)
    group = rng.integers(-1, 4, size=len(row))
    shuffled = rng.permutation(len(row))

    outlines = trace_outlines(row[shuffled], start[shuffled], stop[shuffled], group[shuffled], 5)

    assert len(outlines) == 5
    assert outlines.polygons(4) == []
    for number in range(4):
        mine = group == number
        assert_is_outline_of(outlines, row[mine], start[mine], stop[mine], number)
    assert outlines.n_points().sum() == len(outlines.points_px)


NAMED = {
    "pixel": ["#"],
    "diagonal": ["#.", ".#"],
    "antidiagonal": [".#", "#."],
    "hole": ["###", "#.#", "###"],
    "hole open at a corner": [".##", "#.#", "###"],
    "two holes at one corner": ["####", "#.##", "##.#", "####"],
    "hole in an island in a hole": ["#######", "#.....#", "#.###.#", "#.#.#.#", "#.###.#", "#.....#", "#######"],
    "island touching its sea's corner": ["####", "#..#", "#.##", "##.#", "####"],
    "checks": ["#.#.#", ".#.#.", "#.#.#"],
    "gap of a row": ["##", "..", "##"],
    "comb": ["#.#.#", "#.#.#", "#####"],
}


@pytest.mark.parametrize("name", NAMED)
def test_named_shapes(name):
    mask = np.array([[character == "#" for character in line] for line in NAMED[name]])
    row, start, stop = runs_of(mask)
    for turned in (mask, mask[::-1], mask[:, ::-1], mask.T):
        row, start, stop = runs_of(turned)
        assert_is_outline_of(traced(turned), row, start, stop)


def test_a_ring_of_pixels_open_at_a_corner_is_a_shell_and_a_hole():
    (rings,) = traced(np.array([[0, 1, 1], [1, 0, 1], [1, 1, 1]], bool)).polygons(0)
    assert len(rings) == 2


def test_touching_runs_are_one():
    outlines = trace_outlines(np.zeros(3, int), np.array([4, 0, 2]), np.array([6, 2, 4]), np.zeros(3, int), 1)
    assert_array_equal(outlines.polygons(0)[0][0], [[0, 0], [6, 0], [6, 1], [0, 1]])


def test_nothing_has_no_outline():
    empty = np.zeros(0, np.int32)
    outlines = trace_outlines(empty, empty, empty, empty, 2)
    assert len(outlines) == 2
    assert outlines.polygons(1) == []
    assert_array_equal(outlines.n_points(), [0, 0])


@pytest.mark.slow
def test_a_million_runs():
    rng = np.random.default_rng(1)
    row, start, stop = runs_of(rng.random((2000, 2000)) < 0.5)
    outlines = trace_outlines(row, start, stop, np.zeros(len(row), int), 1)
    assert len(row) > 900_000
    assert sum(shapely.Polygon(r[0], r[1:]).area for r in outlines.polygons(0)[:50_000]) > 0
    x, y = outlines.points_px.astype(np.int64).T
    following = np.arange(1, len(x) + 1)
    following[outlines.point_offsets[1:] - 1] = outlines.point_offsets[:-1]
    assert (x * y[following] - x[following] * y).sum() / 2 == (stop - start).sum()
