"""Form of masks, against scipy, geometry and itself."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from micromet_path.geometry import PixelSpacing, Region
from micromet_path.pixels.shape import (
    between_pixels,
    bounding_box,
    closed,
    closed_in_steps,
    coarse,
    dilated,
    distance_um,
    filled,
    gradient_per_um,
    opened,
    padded,
    painted,
    perimeter_um,
    rim_of,
    smooth_in_place,
    smoothed,
)
from micromet_path.pixels.strokes import Strokes

HALF = PixelSpacing(0.5, 0.5)


@pytest.mark.parametrize("seed", range(20))
def test_distances_are_those_of_scipy(seed):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.random(rng.integers(1, 70, 2)), rng.choice([0.0, 1.5])) > 0.48
    mask[tuple(rng.integers(0, mask.shape))] = False
    spacing = PixelSpacing(*rng.uniform(0.2, 1.0, 2))
    expected = ndimage.distance_transform_edt(mask, sampling=(spacing.y_um, spacing.x_um))
    assert_allclose(distance_um(mask, spacing), expected)


@pytest.mark.parametrize("shape", [(40, 53), (1, 1), (1, 9), (12, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_blurs_and_slopes_are_those_of_scipy_and_numpy(seed, shape):
    rng = np.random.default_rng(seed)
    values, spacing, sigma_um = rng.random(shape), PixelSpacing(*rng.uniform(0.2, 1.0, 2)), rng.uniform(0.3, 4.0)
    sigma = (sigma_um / spacing.y_um, sigma_um / spacing.x_um)
    expected = ndimage.gaussian_filter(values, sigma, mode="nearest", truncate=3.0)
    for given in (values, np.asfortranarray(values), values.astype(np.float32)):
        assert_allclose(smoothed(given, sigma_um, spacing), expected, atol=1e-6)
    assert_allclose(smoothed(values, 0.0, spacing), values)
    framed = np.pad(values, 1, mode="edge")
    down, across = np.gradient(framed, spacing.y_um, spacing.x_um)
    assert_allclose(gradient_per_um(values, spacing), np.hypot(down, across)[1:-1, 1:-1], atol=1e-12)


@pytest.mark.parametrize("shape", [(40, 153), (70, 64), (1, 1), (1, 9), (12, 1), (3, 2), (0, 4)])
@pytest.mark.parametrize("sigma_px", [0.05, 0.5, 1.0, 2.3, 8.0])
def test_a_large_picture_is_blurred_as_by_scipy_to_the_last_bit(sigma_px, shape):
    values = np.random.default_rng(len(shape) + shape[0]).random(shape).astype(np.float32)
    expected = ndimage.gaussian_filter(values, sigma_px)
    smooth_in_place(values, sigma_px)
    assert_array_equal(values, expected)


@pytest.mark.parametrize("shape", [(30, 41), (1, 7), (5, 1), (1, 1)])
def test_values_between_pixels_are_those_of_scipy(shape):
    rng = np.random.default_rng(sum(shape))
    values = rng.random(shape)
    points = np.concatenate([rng.random((9, 20, 2)), [np.zeros((20, 2)), np.ones((20, 2))]]) * (np.array(shape) - 1)
    expected = ndimage.map_coordinates(values, points.transpose(2, 0, 1), order=1)
    assert_allclose(between_pixels(values, points), expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_a_mask_is_dilated_by_what_is_as_near(seed):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.random(rng.integers(1, 70, 2)), rng.choice([0.0, 1.5])) > rng.uniform(0.5, 0.7)
    spacing = HALF if seed % 2 else PixelSpacing(*rng.uniform(0.2, 1.0, 2))
    for reach_um in (0.0, 0.5, 2.0, float(rng.uniform(0, 12))):
        assert (dilated(mask, reach_um, spacing) == (distance_um(~mask, spacing) <= reach_um)).all()


@pytest.mark.parametrize("seed", range(5))
def test_frames_and_rims_are_those_of_numpy_and_scipy(seed):
    mask = np.random.default_rng(seed).random((3 * seed + 1, 20)) < 0.8
    assert (padded(mask, seed) == np.pad(mask, seed)).all()
    assert (rim_of(mask) == (mask & ~ndimage.binary_erosion(mask))).all()


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("seed", range(5))
def test_gaps_are_closed_step_by_step_as_scipy_closes_them(seed, steps):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.random(rng.integers(1, 70, 2)), rng.choice([0.0, 1.5])) > rng.uniform(0.5, 0.6)
    expected = ndimage.binary_closing(np.pad(mask, steps), iterations=steps)[steps:-steps, steps:-steps]
    assert_array_equal(closed_in_steps(mask, steps), expected)


def test_without_an_outside_everything_is_far():
    assert distance_um(np.ones((3, 4), bool), HALF).min() > 1e6


@pytest.mark.parametrize("width_um", [1.0, 2.0, 3.0, 4.0, 6.0])
def test_opening_keeps_what_is_wide_enough(width_um):
    strip = np.zeros((60, 200), bool)
    strip[20 : 20 + round(width_um / 0.25)] = True
    kept = opened(strip, 1.25, PixelSpacing(0.25, 0.25)).sum() / strip.sum()
    assert kept == (1.0 if width_um > 2.5 else 0.0)


@pytest.mark.parametrize("angle_deg", [0, 17, 45, 80])
def test_the_perimeter_is_the_same_in_every_direction(angle_deg):
    rows, columns = np.mgrid[:160, :160] - 80.0
    turn = np.radians(angle_deg)
    u, v = np.cos(turn) * columns + np.sin(turn) * rows, np.cos(turn) * rows - np.sin(turn) * columns
    box = (np.abs(u) < 50) & (np.abs(v) < 20)
    assert perimeter_um(box, HALF) == pytest.approx(140, rel=0.03)


def test_a_torn_ring_is_closed_and_filled_and_a_wide_gap_is_not():
    rows, columns = np.mgrid[:80, :80] - 40.0
    radius = np.hypot(rows, columns) * 0.5
    ring = (radius > 5) & (radius < 6.5)
    torn, open_ring = ring & ~((np.abs(rows) < 1) & (columns > 0)), ring & ~((np.abs(rows) < 8) & (columns > 0))
    disc_um2 = np.pi * 6.5**2
    for mask, is_cell in ((ring, True), (torn, True), (open_ring, False)):
        area_um2 = filled(closed(mask, 1.5, HALF), 150.0, HALF).sum() * 0.25
        assert (area_um2 > 0.9 * disc_um2) == is_cell


@pytest.mark.parametrize("width_um", [1.5, 3.0, 6.0])
def test_a_strip_has_its_width_and_length(width_um):
    strip = np.zeros((80, 200), bool)
    strip[30 : 30 + round(width_um / 0.25), 10:190] = True
    strokes = Strokes(strip, 2.5, PixelSpacing(0.25, 0.25))
    assert strokes.width_um == pytest.approx(width_um, rel=0.2)
    assert strokes.length_um == pytest.approx(45, rel=0.2)
    assert strokes.thin_share == (1.0 if width_um < 2.5 else pytest.approx(0.0, abs=0.02))
    assert strokes.n_parts == 1


@pytest.mark.parametrize("shape", [(10, 13), (11, 9), (1, 2), (7, 30)])
def test_coarse_means_keep_their_place_when_mirrored(shape):
    values = np.random.default_rng(0).random(shape)
    small, pitch = coarse(values, PixelSpacing(0.5, 0.25))
    assert (pitch.x_um, pitch.y_um) == (1.5, 1.25)
    assert_allclose(coarse(values[::-1, ::-1], PixelSpacing(0.5, 0.25))[0], small[::-1, ::-1])
    assert_allclose(coarse(values.T, PixelSpacing(0.25, 0.5))[0], small.T)


def test_a_bounding_box_holds_the_mask_and_a_margin():
    mask = np.zeros((20, 30), bool)
    mask[4:6, 10] = True
    assert bounding_box(mask, 2.0, HALF) == (slice(0, 10), slice(6, 15))


@pytest.mark.parametrize("seed", range(20))
def test_runs_are_painted_where_they_lie_in_a_region(seed):
    rng = np.random.default_rng(seed)
    shown = rng.random((40, 50)) < rng.uniform(0.05, 0.95)
    change = np.diff(np.pad(shown.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row, start = np.nonzero(change == 1)
    stop = np.nonzero(change == -1)[1]
    x0, x1 = np.sort(rng.choice(51, 2, replace=False)).tolist()
    y0, y1 = np.sort(rng.choice(41, 2, replace=False)).tolist()
    runs = (column.astype(np.int32) for column in (row, start, stop))
    assert_array_equal(painted(*runs, Region(x0, y0, x1, y1)), shown[y0:y1, x0:x1])
