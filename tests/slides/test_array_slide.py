"""An array as a slide."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from micromet_path.errors import ImplausibleScaleError, UnsupportedSlideError
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.slides import ArraySlide

from .conftest import halved

HALF = PixelSpacing(0.5, 0.5)


def test_pixels_come_back(pixels):
    slide = ArraySlide(pixels, HALF)
    assert slide.tiles.tile_width == 256
    for tile in slide.tiles:
        raster = slide.read(tile)
        assert_array_equal(raster.rgb, pixels[tile.y0 : tile.y1, tile.x0 : tile.x1])
        assert raster.scanned is None


def test_reads_are_copies(pixels):
    slide = ArraySlide(pixels, HALF)
    slide.read(slide.info.region).rgb[...] = 0
    assert pixels.any()


def test_area_mean(pixels):
    slide = ArraySlide(pixels, HALF)
    assert_array_equal(slide.read(slide.info.region, PixelSpacing(1.0, 1.0)).rgb, halved(pixels))
    assert slide.read(slide.info.region, PixelSpacing(500.0, 500.0)).rgb.shape == (1, 1, 3)


def test_large_arrays_are_averaged_in_pieces_that_fit_together():
    pixels = np.random.default_rng(0).integers(0, 256, (2600, 4900, 3), dtype=np.uint8)
    slide = ArraySlide(pixels, HALF)
    reduced = slide.read(slide.info.region, PixelSpacing(5.0, 5.0)).rgb
    expected = pixels.reshape(260, 10, 490, 10, 3).mean(axis=(1, 3))
    assert np.abs(reduced - expected).max() <= 0.51
    odd = slide.read(slide.info.region, PixelSpacing(1.7, 2.3)).rgb
    assert odd.shape == (round(1300 / 2.3), round(2450 / 1.7), 3)
    assert np.abs(odd.mean(axis=(0, 1)) - pixels.mean(axis=(0, 1))).max() < 0.5


def test_axes_are_scaled_apart(pixels):
    slide = ArraySlide(pixels, PixelSpacing(0.25, 0.5))
    assert slide.read(Region(0, 0, 400, 200), PixelSpacing(1.0, 1.0)).rgb.shape == (100, 100, 3)


def test_unscanned_pixels(pixels):
    scanned = np.ones(pixels.shape[:2], bool)
    scanned[:100, :100] = False
    slide = ArraySlide(pixels, HALF, scanned=scanned)
    raster = slide.read(slide.info.region)
    assert_array_equal(raster.scanned, scanned)
    assert (raster.rgb[:100, :100] == 255).all()
    assert slide.read(Region(100, 100, 200, 200)).scanned is None
    reduced = slide.read(slide.info.region, PixelSpacing(2.0, 2.0))
    assert_array_equal(reduced.scanned, scanned[::4, ::4])


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 4), (0, 5, 3)])
def test_only_rgb(shape):
    with pytest.raises(UnsupportedSlideError, match="expected uint8"):
        ArraySlide(np.zeros(shape, np.uint8), HALF)


def test_only_bytes():
    with pytest.raises(UnsupportedSlideError, match="float64"):
        ArraySlide(np.zeros((5, 5, 3)), HALF)


def test_only_plausible_scales(pixels):
    with pytest.raises(ImplausibleScaleError):
        ArraySlide(pixels, PixelSpacing(10.0, 10.0))
