"""Clusters measured from the sums of their fragments, against plain pixels."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage.measure import regionprops

from micromet_path import hull
from micromet_path.errors import ConfigError
from micromet_path.geometry import PixelSpacing
from micromet_path.model import Dropped, Fragments, Tree
from micromet_path.pixels.clusters import ClusterParams, below_area, components, measure
from micromet_path.pixels.holes import fill_holes
from micromet_path.pixels.link import contiguity_tree, cut

EIGHT = np.ones((3, 3))
EVERYTHING = ClusterParams(smallest_area_um2=0.0)


def corners_of(mask):
    y, x = np.nonzero(mask)
    return np.concatenate([np.column_stack([x + i, y + j]) for i in (0, 1) for j in (0, 1)])


def hulls_of(masks):
    none = np.empty((0, 2), np.int64)
    points = [hull.convex_hull(corners_of(mask)) if mask.any() else none for mask in masks]
    return np.concatenate([none, *points]), np.cumsum([0, *map(len, points)])


def fragments_of(labels, runs, low=None, high=None, **columns):
    """Fragments of labels 1..n; the lower and the higher threshold see the same where not given."""
    n = labels.max()
    masks = [labels == k + 1 for k in range(n)]
    low = labels > 0 if low is None else low
    high = labels > 0 if high is None else high
    low_labels, n_low = ndimage.label(low, EIGHT)
    first = np.array([np.argwhere(mask)[0][::-1] for mask in masks], np.int64).reshape(n, 2)
    areas = np.array([mask.sum() for mask in masks], np.int64)
    sums = np.array([np.argwhere(mask)[:, ::-1].sum(axis=0) for mask in masks], np.int64).reshape(n, 2)
    boxes = ndimage.find_objects(labels)
    points, offsets = hulls_of(masks)
    high_points, high_offsets = hulls_of([mask & high for mask in masks])
    low_points, low_offsets = hulls_of([low_labels == k + 1 for k in range(n_low)])
    filled_px, enclosed_by = fill_holes(runs, first)
    no = np.zeros(n, bool)
    made = {
        "od_scale": 1000,
        "first_px": first,
        "bbox_px0": np.array([[c.start, r.start, c.stop, r.stop] for r, c in boxes], np.int64).reshape(n, 4),
        "area_px": areas,
        "filled_px": filled_px,
        "strong_px": areas,
        "sum_xy_px": sums,
        "sum_rgb": areas[:, None] * np.array([160, 110, 70]),
        "sum_stain": areas[:, None] * np.array([100, 600, 0]),
        "max_dab": 700 + np.arange(n),
        "hull_px": points,
        "hull_offsets": offsets,
        "high_hull_px": high_points,
        "high_hull_offsets": high_offsets,
        "low_component": low_labels[first[:, 1], first[:, 0]].astype(np.int64) - 1,
        "low_hull_px": low_points,
        "low_hull_offsets": low_offsets,
        "enclosed_by": enclosed_by,
        "weak": no,
        "pigment_like": no,
        "scan_edge": no,
        "tissue_edge": no,
        "off_tissue": no,
        "dot_group": np.full(n, -1, np.int64),
        "piece": np.ones(n, np.int64),
        "cells": areas / 4,
        "cells_low": areas / 6,
        "cells_high": areas / 3,
        "flags": {"stellate": np.linspace(0, 1, n)},
    }
    return Fragments(**{**made, **columns})


@pytest.fixture(params=range(10), ids="seed{}".format)
def scene(request, runs_of):
    """Fragments with rings among them, their tree, and the three thresholds."""
    rng = np.random.default_rng(request.param)
    field = ndimage.gaussian_filter(rng.random(rng.integers(20, 110, size=2)), rng.choice([1, 2]))
    if request.param % 2:
        field = -np.abs(field - np.median(field))
    low, mid, high = (field > q for q in np.quantile(field, [0.80, 0.85, 0.93]))
    labels, n = ndimage.label(mid, EIGHT)
    spacing = PixelSpacing(*rng.uniform(0.2, 1.5, size=2))
    runs = runs_of(labels)
    fragments = fragments_of(labels, runs, low, high)
    return labels, (low, high), fragments, contiguity_tree(runs, n, spacing), spacing


def feret(mask, spacing):
    points = corners_of(mask) * (spacing.x_um, spacing.y_um)
    return pdist(points[ConvexHull(points).vertices]).max()


@pytest.mark.parametrize("gap_um", [0.0, 2.0, 7.0, 30.0])
def test_measures_are_those_of_the_pixels(scene, gap_um):
    labels, _, fragments, tree, spacing = scene

    table = measure(fragments, tree, gap_um, spacing, 0.01, EVERYTHING)

    component = cut(tree, len(fragments), gap_um)
    assert len(table) == len(np.unique(component))
    for row in range(len(table)):
        members = np.flatnonzero(table.cluster_of_fragment == row)
        assert_array_equal(members, np.flatnonzero(component == members[0]))
        mask = np.isin(labels, members + 1)
        y, x = np.nonzero(mask)
        assert table.n_fragments[row] == len(members)
        assert table.max_diameter_um[row] == pytest.approx(feret(mask, spacing), rel=1e-12)
        ends = (table.axis_px0[row, 1] - table.axis_px0[row, 0]) * (spacing.x_um, spacing.y_um)
        assert np.hypot(*ends) == pytest.approx(table.max_diameter_um[row], rel=1e-12)
        assert table.area_um2[row] == pytest.approx(len(x) * spacing.x_um * spacing.y_um)
        assert_allclose(table.centroid_px0[row], [x.mean() + 0.5, y.mean() + 0.5])
        assert table.bbox_px0[row].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
        outline = shapely.MultiPoint(corners_of(mask) * (spacing.x_um, spacing.y_um))
        assert table.min_bounding_circle_um[row] == pytest.approx(2 * shapely.minimum_bounding_radius(outline))
        assert table.solidity[row] == pytest.approx(table.area_um2[row] / outline.convex_hull.area)
        filled = np.any([ndimage.binary_fill_holes(labels == k + 1) for k in members], axis=0)
        assert table.area_filled_um2[row] == pytest.approx(filled.sum() * spacing.x_um * spacing.y_um)
        for cells, share in ((table.cells, 4), (table.cells_low, 6), (table.cells_high, 3)):
            assert cells[row] == pytest.approx(max(1, len(x) / share))
        strengths = np.linspace(0, 1, len(fragments))[members]
        assert table.flags["stellate"][row] == pytest.approx(np.average(strengths, weights=fragments.area_px[members]))
        assert table.mean_dab_od[row] == pytest.approx(0.6)
        assert table.max_dab_od[row] == pytest.approx((700 + members.max()) / 1000)
        assert_allclose(table.mean_rgb[row], [160, 110, 70])


def test_without_a_gap_clusters_are_fragments(scene):
    labels, _, fragments, tree, spacing = scene
    table = measure(fragments, tree, 0.0, spacing, 0.0, EVERYTHING)
    assert len(table) == len(fragments)
    by_fragment = np.argsort(table.cluster_of_fragment)
    assert_array_equal(np.sort(by_fragment), np.arange(len(fragments)))
    for region in regionprops(labels):
        row = table.cluster_of_fragment[region.label - 1]
        assert table.area_um2[row] == pytest.approx(region.area * spacing.pixel_area_um2)


def test_the_interval_holds_the_size_at_all_thresholds(scene):
    labels, (low, high), fragments, tree, spacing = scene
    low_labels, _ = ndimage.label(low, EIGHT)
    table = measure(fragments, tree, 7.0, spacing, 0.02, EVERYTHING)
    pixel_um = 2 * max(spacing.x_um, spacing.y_um)
    for row in range(len(table)):
        mask = np.isin(labels, np.flatnonzero(table.cluster_of_fragment == row) + 1)
        strict, lenient = mask & high, np.isin(low_labels, np.unique(low_labels[mask]))
        least = feret(strict, spacing) * 0.98 - pixel_um if strict.any() else 0
        assert table.diameter_low_um[row] == pytest.approx(max(0, least), rel=1e-9)
        assert table.diameter_high_um[row] == pytest.approx(feret(lenient, spacing) * 1.02 + pixel_um, rel=1e-9)
    assert np.all(table.diameter_low_um < table.max_diameter_um)
    assert np.all(table.max_diameter_um < table.diameter_high_um)


@pytest.mark.parametrize("gap_um", [0.0, 7.0, 50.0])
def test_the_largest_comes_first_and_ties_by_first_pixel(scene, gap_um):
    _, _, fragments, tree, spacing = scene
    table = measure(fragments, tree, gap_um, spacing, 0.0, EVERYTHING)
    first = [tuple(fragments.first_px[table.cluster_of_fragment == row][0][::-1]) for row in range(len(table))]
    keys = list(zip((-table.max_diameter_um).tolist(), first, strict=True))
    assert keys == sorted(keys)


def squares(runs_of, *corners, side=10, shape=(200, 300), **columns):
    labels = np.zeros(shape, int)
    for k, (x, y) in enumerate(corners):
        labels[y : y + side, x : x + side] = k + 1
    runs = runs_of(labels)
    return fragments_of(labels, runs, **columns), contiguity_tree(runs, len(corners), PixelSpacing(1.0, 1.0))


def test_equal_squares_keep_the_order_of_their_pixels(runs_of):
    fragments, tree = squares(runs_of, (200, 0), (0, 50), (100, 50), (0, 150))
    table = measure(fragments, tree, 0.0, PixelSpacing(1, 1), 0.0, EVERYTHING)
    assert table.cluster_of_fragment.tolist() == [0, 1, 2, 3]
    assert table.max_diameter_um.tolist() == [np.sqrt(200)] * 4


def test_small_clusters_are_dropped_and_told(runs_of):
    """The smallest area applies to the cluster: two halves within the gap are enough."""
    fragments, tree = squares(runs_of, (0, 0), (20, 0), (100, 100), shape=(120, 120))  # 100 um2 each, two 10 um apart
    spacing, params = PixelSpacing(1, 1), ClusterParams(gap_um=10.0, smallest_area_um2=150.0)

    table = measure(fragments, tree, params.gap_um, spacing, 0.0, params)

    assert table.cluster_of_fragment.tolist() == [0, 0, -1]
    assert table.area_um2.tolist() == [200.0]
    assert below_area(fragments, tree, spacing, params) == Dropped(1, np.sqrt(200))
    assert below_area(fragments, tree, spacing, replace(params, gap_um=9.9)) == Dropped(3, np.sqrt(200))
    assert below_area(fragments, tree, spacing, EVERYTHING) == Dropped()


def test_an_area_at_the_limit_is_kept(runs_of):
    fragments, tree = squares(runs_of, (0, 0))
    for smallest_um2, kept in ((100.0, 1), (np.nextafter(100.0, 200), 0)):
        params = ClusterParams(smallest_area_um2=smallest_um2)
        assert len(measure(fragments, tree, 7.0, PixelSpacing(1, 1), 0.0, params)) == kept


def test_when_everything_is_too_small_the_table_is_empty(runs_of):
    """It was an IndexError: nothing is left that a fragment could belong to."""
    fragments, tree = squares(runs_of, (0, 0), (100, 100))
    params = ClusterParams(smallest_area_um2=1000.0)
    table = measure(fragments, tree, 7.0, PixelSpacing(1, 1), 0.0, params)
    assert len(table) == 0
    assert table.cluster_of_fragment.tolist() == [-1, -1]
    assert table.axis_px0.shape == (0, 2, 2)


def test_without_fragments_the_table_is_empty(runs_of):
    fragments, tree = squares(runs_of)
    table = measure(fragments, tree, 7.0, PixelSpacing(1, 1), 0.0, EVERYTHING)
    assert len(table) == len(table.cluster_of_fragment) == 0
    assert below_area(fragments, tree, PixelSpacing(1, 1), EVERYTHING) == Dropped()


def test_an_island_counts_once_when_its_ring_is_filled(runs_of):
    labels = np.zeros((60, 60), int)
    labels[5:55, 5:55], labels[15:45, 15:45], labels[25:35, 25:35] = 1, 0, 2
    labels[28:32, 28:32] = 0
    labels[29:31, 29:31] = 3
    runs = runs_of(labels)
    spacing = PixelSpacing(0.5, 0.5)
    fragments, tree = fragments_of(labels, runs), contiguity_tree(runs, 3, spacing)
    assert fragments.enclosed_by.tolist() == [-1, 0, 1]

    one = measure(fragments, tree, 7.0, spacing, 0.0, EVERYTHING)
    apart = measure(fragments, tree, 4.9, spacing, 0.0, EVERYTHING)

    assert one.area_filled_um2.tolist() == [50 * 50 / 4]
    assert apart.area_filled_um2.tolist() == [50 * 50 / 4, 10 * 10 / 4]


def test_dots_of_a_pattern_are_one_cluster_however_far(runs_of):
    groups = np.array([-1, 0, 0, 1, 1])
    fragments, tree = squares(runs_of, (0, 0), (100, 0), (150, 0), (100, 150), (200, 150), dot_group=groups)
    assert components(fragments, Tree(*(np.empty(0, kind) for kind in (int, int, float))), 0.0).tolist() == [
        0,
        1,
        1,
        2,
        2,
    ]
    table = measure(fragments, tree, 0.0, PixelSpacing(1, 1), 0.0, EVERYTHING)
    assert table.n_fragments.tolist() == [2, 2, 1]
    assert table.flags["dot_pattern"].tolist() == [1, 1, 0]


def test_flags_tell_the_share_of_the_area(runs_of):
    yes = np.array([True, False, False])
    columns = dict.fromkeys(("pigment_like", "off_tissue", "weak", "tissue_edge", "scan_edge"), yes)
    fragments, tree = squares(runs_of, (0, 0), (12, 0), (100, 0), flags={}, **columns)
    together = measure(fragments, tree, 7.0, PixelSpacing(1, 1), 0.0, EVERYTHING)
    alone = measure(fragments, tree, 0.0, PixelSpacing(1, 1), 0.0, EVERYTHING)
    assert together.flags_of(0) == {"scan_edge": 1, "tissue_edge": 1, "off_tissue": 0.5, "pigment_like": 0.5}
    assert alone.flags_of(0) == dict.fromkeys(["off_tissue", "pigment_like", "scan_edge", "tissue_edge", "weak"], 1.0)
    assert together.size_is_minimum.tolist() == [True, False]
    assert alone.rank_score[0] < alone.rank_score[1]


def test_a_cluster_lies_where_its_largest_fragment_does(runs_of):
    labels = np.zeros((60, 60), int)
    labels[0:4, 0:4], labels[6:20, 0:14], labels[22:26, 0:4] = 1, 2, 3
    runs = runs_of(labels)
    fragments = fragments_of(labels, runs, piece=np.array([5, 2, 0]))
    tree = contiguity_tree(runs, 3, PixelSpacing(1, 1))
    assert measure(fragments, tree, 7.0, PixelSpacing(1, 1), 0.0, EVERYTHING).piece_id.tolist() == [2]


@pytest.mark.parametrize("gap_um", [-1.0, 100.1, float("nan")])
def test_gaps_beyond_the_tree_are_refused(runs_of, gap_um):
    fragments, tree = squares(runs_of, (0, 0))
    with pytest.raises(ConfigError, match="between 0 and 100"):
        measure(fragments, tree, gap_um, PixelSpacing(1, 1), 0.0, EVERYTHING)


@pytest.mark.parametrize(
    "wrong",
    [
        {"gap_um": -0.1},
        {"gap_um": 101.0},
        {"smallest_area_um2": -1.0},
        {"smallest_area_um2": float("nan")},
        {"scale_uncertainty": -0.01},
        {"scale_uncertainty_given": 1.0},
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ConfigError, match="clusters"):
        ClusterParams(**wrong)
