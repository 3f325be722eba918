"""Simplified outlines: valid, near, with the same parts and holes."""

import numpy as np
import pytest
import shapely
from scipy.ndimage import gaussian_filter

from micromet_path.pixels.outline import trace_outlines
from micromet_path.pixels.simplify import simplify_outlines


def runs_of(mask):
    change = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row, start = np.nonzero(change == 1)
    return row, start, np.nonzero(change == -1)[1]


def traced(mask):
    row, start, stop = runs_of(mask)
    return trace_outlines(row, start, stop, np.zeros(len(row), int), 1)


def as_geometry(outlines):
    return shapely.MultiPolygon([(rings[0], rings[1:]) for rings in outlines.polygons(0)])


@pytest.mark.parametrize("sigma", [0, 0.6, 1, 2, 4, 9])
@pytest.mark.parametrize("seed", range(5))
def test_simplified_outlines_are_valid_and_near(seed, sigma):
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.random(rng.integers(20, 120, size=2)), sigma)
    exact = traced(field > np.quantile(field, rng.uniform(0.2, 0.8)))

    simple = simplify_outlines(exact, np.array([True]))

    before, after = as_geometry(exact), as_geometry(simple)
    assert after.is_valid, shapely.is_valid_reason(after)
    assert len(simple.points_px) <= len(exact.points_px)
    assert [len(rings) for rings in simple.polygons(0)] == [
        1 + sum(np.ptp(hole, axis=0).min() > 2 for hole in rings[1:]) for rings in exact.polygons(0)
    ]
    wide = np.concatenate([ring for rings in exact.polygons(0) for ring in rings if np.ptp(ring, axis=0).min() > 2])
    assert shapely.distance(shapely.points(wide), after.boundary).max() <= 1.0 + 1e-9
    assert shapely.covers(before.boundary, shapely.points(simple.points_px)).all()
    for rings in simple.polygons(0):
        assert shapely.Polygon(rings[0]).exterior.is_ccw
        assert all(not shapely.Polygon(hole).exterior.is_ccw for hole in rings[1:])


def test_a_disc_needs_far_fewer_points():
    y, x = np.mgrid[-300:301, -300:301]
    exact = traced(x**2 + y**2 < 300**2)

    simple = simplify_outlines(exact, np.array([True]))

    assert len(simple.points_px) < len(exact.points_px) / 7
    assert as_geometry(simple).area == pytest.approx(as_geometry(exact).area, rel=0.01)


def test_only_the_groups_asked_for_change():
    row = np.concatenate([np.arange(50), np.arange(50)])
    start = np.concatenate([np.zeros(50, int), np.full(50, 900)])
    stop = start + row + 1
    exact = trace_outlines(row, start, stop, np.repeat([0, 1], 50), 2)

    simple = simplify_outlines(exact, np.array([False, True]))

    np.testing.assert_array_equal(simple.polygons(0)[0][0], exact.polygons(0)[0][0])
    assert simple.n_points()[1] < exact.n_points()[1]
