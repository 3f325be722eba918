"""Granules against scipy's curvatures, and against what is granular to the eye."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from micromet_path.geometry import PixelSpacing
from micromet_path.pixels.granules import granularity

SIGMA_UM = 0.6


def picture(draw, spacing, size_um=40.0):
    """Chromogen of a drawing that is told by (x, y) in microns, and a stain that is all of it."""
    y, x = np.mgrid[: int(size_um / spacing.y_um), : int(size_um / spacing.x_um)]
    chromogen = draw(x * spacing.x_um, y * spacing.y_um)
    return chromogen, np.ones(chromogen.shape, bool)


def dots(x, y):
    return 0.1 + sum(
        0.8 * np.exp(-(((x - a) ** 2 + (y - b) ** 2) / (2 * 0.8**2))) for a in range(2, 40, 4) for b in range(2, 40, 4)
    )


def lines(x, y):
    return 0.1 + sum(0.8 * np.exp(-((x - a) ** 2) / (2 * 0.8**2)) for a in range(2, 40, 4))


def cytoplasm(x, y):
    return 0.5 + 0.2 * np.cos(0.5 * x) * np.cos(0.5 * y)


@pytest.mark.parametrize(
    "spacing", [PixelSpacing(0.5, 0.5), PixelSpacing(0.25, 0.25), PixelSpacing(0.5, 0.35)], ids=str
)
def test_dots_are_granular_and_lines_and_cytoplasm_are_not(spacing):
    found = {draw.__name__: granularity(*picture(draw, spacing), spacing) for draw in (dots, lines, cytoplasm)}
    assert found["dots"].depth > 0.2
    assert found["dots"].roundness > 0.2
    assert found["lines"].roundness < 0.05
    assert found["cytoplasm"].depth < 0.03


@pytest.mark.parametrize("seed", range(8))
def test_curvatures_are_those_of_gaussian_derivatives(seed):
    # But for the tails of the Gaussian, which are cut nearer here.
    rng = np.random.default_rng(seed)
    spacing = PixelSpacing(*rng.uniform(0.1, 0.2, 2))
    field = gaussian_filter(rng.random((120, 130)), rng.uniform(6, 12))
    chromogen = 0.2 + (field - field.min()) / np.ptp(field)
    stained = gaussian_filter(rng.random(field.shape), 4) > 0.5
    stained[[0, -1]], stained[:, [0, -1]] = False, False

    widths = SIGMA_UM / spacing.y_um, SIGMA_UM / spacing.x_um
    yy, xx, xy = (gaussian_filter(chromogen, widths, order, mode="nearest") for order in ((2, 0), (0, 2), (1, 1)))
    yy, xx, xy = yy * widths[0] ** 2, xx * widths[1] ** 2, xy * widths[0] * widths[1]
    bent = np.linalg.eigvalsh(np.moveaxis(np.array([[yy, xy], [xy, xx]]), (0, 1), (-2, -1)))[stained]
    falls = np.maximum(-bent, 0)

    found = granularity(chromogen, stained, spacing)
    assert found.depth == pytest.approx(np.quantile(falls[:, 1], 0.9) / chromogen[stained].mean(), rel=0.15, abs=1e-4)
    assert found.roundness == pytest.approx(falls[:, 1].sum() / falls[:, 0].sum(), rel=0.1, abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_strength_and_a_turn_change_nothing(seed):
    rng = np.random.default_rng(seed)
    chromogen, stained = rng.random((50, 60)) + 0.2, rng.random((50, 60)) < 0.5
    spacing = PixelSpacing(*rng.uniform(0.25, 0.6, 2))
    found = granularity(chromogen, stained, spacing)
    np.testing.assert_allclose(granularity(3.0 * chromogen, stained, spacing), found)
    turned = PixelSpacing(spacing.y_um, spacing.x_um)
    np.testing.assert_allclose(granularity(np.rot90(chromogen), np.rot90(stained), turned), found)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (3, 3)])
def test_a_picture_too_small_to_be_bent_is_not_granular(shape):
    assert granularity(np.full(shape, 0.4), np.ones(shape, bool), PixelSpacing(0.5, 0.5)) == (0.0, 0.0)


def test_a_scan_of_wide_pixels_shows_no_dots():
    noise = np.random.default_rng(0).random((60, 60))
    stained = np.ones(noise.shape, bool)
    assert granularity(noise, stained, PixelSpacing(0.5, 0.5)).depth > 0.03
    assert granularity(noise, stained, PixelSpacing(0.5, 1.0)) == (0.0, 0.0)


def test_no_chromogen_is_not_granular():
    assert granularity(np.zeros((20, 20)), np.ones((20, 20), bool), PixelSpacing(0.5, 0.5)) == (0.0, 0.0)
