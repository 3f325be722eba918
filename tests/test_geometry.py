"""Lengths and places: the algebra, and the largest distance against every pair of points."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import shapely
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter, label
from scipy.spatial import ConvexHull

from micromet_path import hull
from micromet_path.errors import MicrometError, MissingScaleError
from micromet_path.geometry import Feret, PixelSpacing, Region, TileGrid, max_feret

FERET = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "feret"


@pytest.fixture(params=range(20), ids="seed{}".format)
def rng(request):
    return np.random.default_rng(request.param)


# Spacing


@pytest.mark.parametrize("wrong", [(0, 1), (1, 0), (-0.25, 0.25), (float("nan"), 1), (1, float("inf"))])
def test_a_spacing_is_above_zero(wrong):
    with pytest.raises(MissingScaleError, match=r"above 0 um, found .*--mpp"):
        PixelSpacing(*wrong)
    assert issubclass(MissingScaleError, MicrometError)


def test_microns_and_pixels_are_inverse(rng):
    spacing = PixelSpacing(*rng.uniform(0.1, 2, 2))
    points = rng.uniform(-1e5, 1e5, (50, 2))
    assert_allclose(spacing.to_px(spacing.to_um(points)), points)
    assert_array_equal(spacing.to_um(np.array([[1, 1]])), [[spacing.x_um, spacing.y_um]])
    assert spacing.pixel_area_um2 == spacing.x_um * spacing.y_um


def test_downsampling_multiplies_each_axis():
    assert PixelSpacing(0.25, 0.5).downsampled(4) == PixelSpacing(1.0, 2.0)
    assert PixelSpacing(0.25, 0.5).downsampled(4, 2) == PixelSpacing(1.0, 1.0)


def test_records_are_frozen():
    with pytest.raises(AttributeError):
        PixelSpacing(1, 1).x_um = 2
    with pytest.raises(AttributeError):
        Region(0, 0, 1, 1).x0 = 2


# Regions and grids


def pixels(region):
    return {(x, y) for x in range(region.x0, region.x1) for y in range(region.y0, region.y1)}


def any_region(rng):
    return Region(*rng.integers(-6, 6, 2).tolist(), *rng.integers(-6, 9, 2).tolist())


def test_intersection_is_that_of_the_pixels(rng):
    for _ in range(20):
        one, two = any_region(rng), any_region(rng)
        common = one.intersection(two)
        assert pixels(common) == pixels(one) & pixels(two)
        assert common == two.intersection(one)
        assert common.is_empty == (not pixels(one) & pixels(two))
        assert common.width * common.height == len(pixels(common))


def test_growing_and_shrinking():
    region = Region(2, 3, 10, 8)
    assert region.grown(2) == Region(0, 1, 12, 10)
    assert region.grown(1, 0) == Region(1, 3, 11, 8)
    assert region.grown(3).grown(-3) == region
    assert region.grown(-3).is_empty
    assert region.shape == (region.height, region.width) == (5, 8)


def test_tiles_cover_each_pixel_once(rng):
    for _ in range(10):
        grid = TileGrid(*rng.integers(1, 40, 4).tolist())
        covered = np.zeros((grid.height, grid.width), int)
        for tile in grid:
            assert not tile.is_empty
            covered[tile.y0 : tile.y1, tile.x0 : tile.x1] += 1
        assert np.all(covered == 1)
        assert len(list(grid)) == len(grid) == grid.rows * grid.columns


def test_merged_tiles_lie_on_the_stored_ones(rng):
    for _ in range(10):
        grid = TileGrid(*rng.integers(1, 400, 2).tolist(), *rng.integers(1, 40, 2).tolist())
        merged = grid.merged(64)
        assert merged.tile_width % grid.tile_width == merged.tile_height % grid.tile_height == 0
        assert 64 / 2 <= merged.tile_width <= 64 * 1.5
    assert TileGrid(5000, 5000, 3000, 10).merged(64).tile_width == 3000


@pytest.mark.parametrize("at", [(0, 3), (1, 0), (-1, 0), (0, -1)])
def test_there_is_no_tile_outside(at):
    with pytest.raises(IndexError, match="outside a grid of 1 x 3"):
        TileGrid(10, 4, 4, 4)[at]


@pytest.mark.parametrize("sizes", [(0, 1, 1, 1), (1, -1, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0)])
def test_a_grid_has_sizes(sizes):
    with pytest.raises(ValueError, match="above 0"):
        TileGrid(*sizes)


# Maximum Feret

SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])


def corners_of(mask):
    y, x = np.nonzero(mask)
    return np.concatenate([np.column_stack([x + right, y + below]) for right, below in product((0, 1), (0, 1))])


def brute_force(corners, spacing):
    """The longest of all pairs, of equals the lexicographically smallest."""
    points = np.unique(corners, axis=0)
    difference = (points[:, None] - points) * np.array([spacing.x_um, spacing.y_um])
    squared = (difference**2).sum(axis=2)
    pairs = np.argwhere(squared >= squared.max())
    first, second = min((min(a, b), max(a, b)) for a, b in pairs.tolist())
    return Feret(float(np.sqrt(squared.max())), tuple(points[first].tolist()), tuple(points[second].tolist()))


def any_mask(rng, longest=40):
    field = gaussian_filter(rng.random(rng.integers(1, longest, 2)), rng.choice([0, 1, 3]))
    return field >= np.quantile(field, rng.uniform(0.3, 0.99))


def any_spacing(rng):
    return PixelSpacing(*rng.choice([0.25, 0.5, 1.0, *rng.uniform(0.1, 2, 2)], 2))


def test_max_feret_is_the_longest_of_all_pairs(rng):
    for _ in range(5):
        corners, spacing = corners_of(any_mask(rng)), any_spacing(rng)
        rng.shuffle(corners)
        assert max_feret(corners, spacing) == brute_force(corners, spacing)


def test_max_feret_of_scattered_points(rng):
    for _ in range(5):
        corners, spacing = rng.integers(-50, 50, (rng.integers(1, 60), 2)), any_spacing(rng)
        found, expected = max_feret(corners, spacing), brute_force(corners, spacing)
        assert found.diameter_um == pytest.approx(expected.diameter_um, rel=1e-12)
        assert found == expected


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ([[3, 4]], Feret(0.0, (3, 4), (3, 4))),
        ([[3, 4], [3, 4]], Feret(0.0, (3, 4), (3, 4))),
        ([[5, 0], [0, 0]], Feret(5.0, (0, 0), (5, 0))),
        ([[0, 0], [1, 1], [2, 2], [3, 3]], Feret(np.sqrt(18), (0, 0), (3, 3))),
        (SQUARE, Feret(np.sqrt(2), (0, 0), (1, 1))),  # the other diagonal is as long
    ],
)
def test_small_and_flat_sets(corners, expected):
    assert max_feret(np.array(corners), PixelSpacing(1, 1)) == expected


def test_of_equal_diameters_the_first_pair_is_named():
    plus = np.zeros((5, 5), bool)
    plus[2], plus[:, 2] = True, True
    assert max_feret(corners_of(plus), PixelSpacing(1, 1)) == Feret(np.sqrt(26), (0, 2), (5, 3))


def test_mirrored_and_turned_shapes_are_equal_to_the_bit(rng):
    mask, spacing = any_mask(rng), PixelSpacing(*rng.uniform(0.1, 2, 2))
    size_um = max_feret(corners_of(mask), spacing).diameter_um
    for quarters, mirrored in product(range(4), (False, True)):
        turned = np.rot90(mask[:, ::-1] if mirrored else mask, quarters)
        swapped = PixelSpacing(spacing.y_um, spacing.x_um) if quarters % 2 else spacing
        assert max_feret(corners_of(turned), swapped).diameter_um == size_um
        assert max_feret(corners_of(turned) + (71_003, 12_345), swapped).diameter_um == size_um


def test_far_from_the_origin_nothing_is_lost():
    """Cross products are exact up to 2^30: a slide is at most some 10^5 pixels wide."""
    corners = np.array([[0, 0], [1, 1_000_000], [2, 0], [500_000, 500_001]]) + 500_000_000
    assert max_feret(corners, PixelSpacing(0.25, 0.25)) == brute_force(corners, PixelSpacing(0.25, 0.25))


# Hulls and circles


def test_the_hull_is_that_of_scipy(rng):
    corners = corners_of(any_mask(rng))
    ring = hull.convex_hull(corners)
    judge = ConvexHull(corners)
    on_judge = {tuple(point) for point in corners[judge.vertices].tolist()}
    assert {tuple(point) for point in ring.tolist()} <= on_judge  # Qhull may keep points on an edge
    assert hull.hull_area_px(ring) == pytest.approx(judge.volume)
    assert_array_equal(hull.convex_hull(ring), ring)
    assert tuple(ring[0].tolist()) == min(map(tuple, corners.tolist()))


def test_the_bounding_circle_is_that_of_shapely(rng):
    for _ in range(10):
        corners, spacing = corners_of(any_mask(rng)), any_spacing(rng)
        ring = hull.convex_hull(corners)
        expected = 2 * shapely.minimum_bounding_radius(shapely.MultiPoint(spacing.to_um(ring)))
        found = hull.bounding_circle_um(ring, spacing.x_um, spacing.y_um)
        assert found == pytest.approx(expected, rel=1e-9)
        assert found >= max_feret(corners, spacing).diameter_um * (1 - 1e-12)
        assert found <= max_feret(corners, spacing).diameter_um * 2 / np.sqrt(3) * (1 + 1e-9)  # Jung 1901


def test_ragged_hulls_are_the_hulls_one_by_one(rng):
    points, of = rng.integers(0, 30, (300, 2)), rng.integers(-1, 12, 300)
    of[of == 5] = 4  # an empty set
    rings, offsets = hull.ragged_hulls(points, of, 12)
    diameters = hull.ragged_diameters(rings, offsets, 0.5, 0.25)
    measures = hull.ragged_measures(rings, offsets, 0.5, 0.25)
    assert_array_equal(measures[0], diameters)
    for k in range(12):
        ring = rings[offsets[k] : offsets[k + 1]]
        if not np.any(of == k):
            assert len(ring) == diameters[k] == measures[2][k] == measures[3][k] == 0
            continue
        assert_array_equal(ring, hull.convex_hull(points[of == k]))
        feret = max_feret(points[of == k], PixelSpacing(0.5, 0.25))
        assert diameters[k] == feret.diameter_um
        assert measures[1][k].tolist() == [list(feret.start_px), list(feret.end_px)]
        assert measures[3][k] == hull.hull_area_px(ring) * 0.5 * 0.25


def shapes():
    """The shapes of the `feret` package that are one piece, each with its largest diameter there."""
    if not FERET.is_dir():
        return []
    golden = json.loads((FERET / "golden.json").read_text())
    with np.load(FERET / "shapes.npz") as stored:
        masks = {name: stored[name] > 0 for name in stored.files}
    masks["repo_fixture"] = np.load(FERET / "img.npy") > 0
    whole = {name: mask for name, mask in masks.items() if label(mask, np.ones((3, 3)))[1] == 1}
    return [pytest.param(mask, golden[name]["edge_true"]["maxf"], id=name) for name, mask in sorted(whole.items())]


@pytest.mark.parametrize(("mask", "maxf_px"), shapes())
def test_max_feret_is_that_of_the_feret_package(mask, maxf_px):
    """Its option ``edge=True`` measures between pixel corners, as ImageJ does."""
    assert max_feret(corners_of(mask), PixelSpacing(1, 1)).diameter_um == pytest.approx(maxf_px, abs=1e-9)


@pytest.mark.skipif(not FERET.is_dir(), reason="golden shapes (shared/data beside the repository) are not here")
def test_most_golden_shapes_are_one_piece():
    assert len(shapes()) >= 12
