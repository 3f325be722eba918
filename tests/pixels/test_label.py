"""Connected pieces and holes of masks, against scipy's."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from micromet_path.pixels.label import boxes_of, filled_and_left, labelled


def masks(seed):
    """Noise from sparse to dense, blobs, and pictures one pixel wide."""
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 60, 2)
    noise = rng.random(shape)
    yield noise < rng.uniform(0, 1)
    yield ndimage.gaussian_filter(noise, 2) > 0.5
    yield rng.random((1, 40)) < 0.5
    yield rng.random((40, 1)) < 0.5
    yield np.zeros(shape, bool)
    yield np.ones(shape, bool)


@pytest.mark.parametrize("is_eight", [False, True], ids=["4", "8"])
@pytest.mark.parametrize("seed", range(40))
def test_pieces_have_the_numbers_of_scipy(seed, is_eight):
    for mask in masks(seed):
        expected, n = ndimage.label(mask, np.ones((3, 3)) if is_eight else None)
        labels, pixels = labelled(mask, is_eight)
        assert_array_equal(labels, expected)
        assert_array_equal(pixels[1:], np.bincount(expected.ravel(), minlength=n + 1)[1:])


@pytest.mark.parametrize("seed", range(20))
def test_boxes_of_pieces_are_those_of_scipy(seed):
    for mask in masks(seed):
        labels, pixels = labelled(mask, True)
        expected = [[x.start, y.start, x.stop, y.stop] for y, x in ndimage.find_objects(labels)]
        assert boxes_of(labels, len(pixels) - 1).tolist() == expected


@pytest.mark.parametrize("hole_px", [0, 1, 5, 5.5, np.inf])
@pytest.mark.parametrize("seed", range(20))
def test_holes_up_to_a_size_are_filled_and_the_others_counted(seed, hole_px):
    for mask in masks(seed):
        holes, n = ndimage.label(~mask)
        at_border = set(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]).tolist())
        expected, left = mask.copy(), 0
        for hole in set(range(1, n + 1)) - at_border:
            size = np.count_nonzero(holes == hole)
            if size <= hole_px:
                expected[holes == hole] = True
            else:
                left += size
        filled, left_px = filled_and_left(mask, hole_px)
        assert_array_equal(filled, expected)
        assert left_px == left
