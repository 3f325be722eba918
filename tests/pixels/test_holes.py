"""Holes and what lies in them, against scipy."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from micromet_path.pixels.holes import fill_holes

EIGHT = np.ones((3, 3))


def filled_masks(labels, n):
    """Each fragment with its holes; the background of an 8-connected shape is 4-connected."""
    return [ndimage.binary_fill_holes(labels == k + 1) for k in range(n)]


def rings(seed):
    """Fragments with holes, and fragments in them."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.random(rng.integers(8, 120, size=2)), rng.choice([0.7, 1.5, 3]))
    bands = np.sin(field / field.std() * rng.uniform(2, 7)) > rng.uniform(-0.3, 0.6)
    labels, n = ndimage.label(bands, EIGHT)
    labels[labels > 80] = 0
    n = min(n, 80)
    first = np.array([np.argwhere(labels == k + 1)[0][::-1] for k in range(n)]).reshape(n, 2)
    return labels, n, first


@pytest.mark.parametrize("seed", range(40), ids="seed{}".format)
def test_holes_are_filled_as_scipy_does(seed, runs_of):
    labels, n, first = rings(seed)

    filled_px, enclosed_by = fill_holes(runs_of(labels), first)

    filled = filled_masks(labels, n)
    assert_array_equal(filled_px, [mask.sum() for mask in filled])
    for k, (x, y) in enumerate(first.tolist()):
        around = [j for j in range(n) if j != k and filled[j][y, x]]
        smallest = min(around, key=lambda j: filled[j].sum(), default=-1)
        assert enclosed_by[k] == smallest


@pytest.mark.parametrize("flip", [np.array, np.flipud, np.fliplr, np.transpose])
def test_a_bay_that_opens_downwards_is_no_hole(flip, runs_of):
    """It was one when its mouth lay in the last row."""
    shape = flip(np.array([[0, 1, 1, 1, 0], [1, 1, 0, 1, 1], [1, 0, 0, 1, 1], [1, 0, 0, 0, 1]]))
    filled_px, _ = fill_holes(runs_of(shape), np.array([np.argwhere(shape)[0][::-1]]))
    assert filled_px.tolist() == [shape.sum()]


def test_a_diagonal_gap_does_not_open_a_hole(runs_of):
    shape = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    assert fill_holes(runs_of(shape), np.array([[1, 0]]))[0].tolist() == [5]


def test_enclosed_fragments_know_the_nearest_around(runs_of):
    labels = np.zeros((90, 90), int)
    for k, margin in enumerate((0, 10, 20, 30)):
        inner = np.s_[margin : 90 - margin, margin : 90 - margin]
        labels[inner] = k + 1
        labels[margin + 3 : 87 - margin, margin + 3 : 87 - margin] = 0
    first = np.array([[m, m] for m in (0, 10, 20, 30)])
    filled_px, enclosed_by = fill_holes(runs_of(labels), first)
    assert filled_px.tolist() == [90**2, 70**2, 50**2, 30**2]
    assert enclosed_by.tolist() == [-1, 0, 1, 2]
