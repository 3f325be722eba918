"""Fragments taken together, against plain pixels; a band is long however it lies."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from scipy.spatial.distance import cdist

from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.groups import group_fragments
from micromet_path.pixels.link import contiguity_tree
from tests.pixels.test_clusters import EIGHT, feret, fragments_of

GAP_UM = 7.0


def grouped(mask, spacing, runs_of):
    labels, n = ndimage.label(mask, EIGHT)
    runs = runs_of(labels)
    return group_fragments(fragments_of(labels, runs), contiguity_tree(runs, n, spacing), np.zeros(n, bool), spacing)


def distances_um(labels, spacing):
    """Distance of the centres of pixels of every two fragments."""
    places = [np.argwhere(labels == k + 1) * (spacing.y_um, spacing.x_um) for k in range(labels.max())]
    return np.array([[cdist(one, other).min() for other in places] for one in places])


def reached(near):
    """Whether one leads to another over any number of steps."""
    return np.linalg.matrix_power(near.astype(float), len(near)) > 0


@pytest.mark.parametrize("seed", range(6))
def test_groups_are_what_lies_within_the_gap_and_measure_as_their_pixels_do(seed, runs_of):
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.random((70, 90)), 1.5)
    ridged = np.abs(field - np.median(field))
    labels, n = ndimage.label(ridged > np.quantile(ridged, 0.9), EIGHT)
    spacing, runs = PixelSpacing(*rng.uniform(0.3, 2.5, 2)), runs_of(labels)
    fragments, tree = fragments_of(labels, runs), contiguity_tree(runs, n, spacing)
    alone = rng.random(n) < 0.2

    groups = group_fragments(fragments, tree, alone, spacing)

    assert_array_equal(groups.of_fragment < 0, alone)
    together = groups.of_fragment[:, None] == groups.of_fragment
    apart, rest = distances_um(labels, spacing), ~(alone[:, None] | alone)
    assert together[(apart <= GAP_UM) & rest].all()
    assert not (together & rest & ~reached(apart <= GAP_UM + np.hypot(spacing.x_um, spacing.y_um))).any()
    is_so = rng.random(n) < 0.5
    share = groups.share_of(fragments, is_so)
    for group in range(len(groups)):
        members = np.flatnonzero(groups.of_fragment == group)
        mask = np.isin(labels, members + 1)
        filled = np.any([ndimage.binary_fill_holes(labels == k + 1) for k in members], axis=0)
        assert groups.area_px[group] == mask.sum()
        assert groups.filled_um2[group] == pytest.approx(filled.sum() * spacing.pixel_area_um2)
        assert groups.extent_um[group] == pytest.approx(feret(mask, spacing))
        assert groups.hull_um2[group] >= groups.filled_um2[group] * (1 - 1e-9)
        assert share[group] == pytest.approx(np.isin(labels[mask], 1 + np.flatnonzero(is_so)).mean())


def turned(shape, degrees, spacing):
    """What a shape, told by (x, y) in microns, covers of a slide when it is turned."""
    y, x = np.mgrid[:1000, :1000] * np.reshape([spacing.y_um, spacing.x_um], (2, 1, 1))
    x, y, turn = x - 500 * spacing.x_um, y - 500 * spacing.y_um, np.deg2rad(degrees)
    return shape(np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x)


SHAPES = {
    "disc": (lambda x, y: np.hypot(x, y) < 100, 4 / np.pi),
    "ring": (lambda x, y: (np.hypot(x, y) < 150) & (np.hypot(x, y) > 140), 4 / np.pi),
    "square": (lambda x, y: np.maximum(abs(x), abs(y)) < 80, 2.0),
    "band": (lambda x, y: (abs(x) < 170) & (abs(y) < 17), 10.1),
    "long band": (lambda x, y: (abs(x) < 170) & (abs(y) < 10), 17.06),
}


@pytest.mark.parametrize("spacing", [PixelSpacing(0.5, 0.5), PixelSpacing(0.5, 0.62)], ids=str)
@pytest.mark.parametrize("degrees", [0, 20, 45, 90])
@pytest.mark.parametrize("name", SHAPES)
def test_only_what_is_long_is_a_band_however_it_lies(name, degrees, spacing, runs_of):
    shape, elongation = SHAPES[name]
    groups = grouped(turned(shape, degrees, spacing), spacing, runs_of)
    assert len(groups) == 1
    assert_allclose(groups.elongation, elongation, rtol=0.03)


def test_what_is_alone_is_in_no_group(runs_of):
    labels, n = ndimage.label(np.eye(40) > 0, EIGHT)
    runs, spacing = runs_of(labels), PixelSpacing(0.5, 0.5)
    groups = group_fragments(fragments_of(labels, runs), contiguity_tree(runs, n, spacing), np.ones(n, bool), spacing)
    assert len(groups) == 0
    assert groups.of_fragment.tolist() == [-1]
    assert groups.share_of(fragments_of(labels, runs), np.ones(n, bool)).tolist() == []
