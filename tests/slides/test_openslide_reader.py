"""Slides behind OpenSlide: the same answers as from the fast path, and errors that stay where they happen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from numpy.testing import assert_array_equal

from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.slides import OpenSlideSlide, check_openslide, open_slide
from micromet_path.slides.openslide_reader import open_openslide

from .conftest import CODECS, Codec, aperio, halved, tissue, write_tiff


def test_openslide_is_new_enough():
    assert tuple(int(part) for part in check_openslide().split(".")[:3]) >= (4, 0, 1)


def test_both_readers_agree(svs):
    with open_slide(svs) as fast, open_openslide(svs) as slow:
        assert fast.info.spacing == slow.info.spacing
        assert fast.info.levels == slow.info.levels
        assert fast.tiles == slow.tiles
        for region in (fast.info.region, Region(17, 33, 301, 211)):
            assert_array_equal(fast.read(region).rgb, slow.read(region).rgb)
        half = PixelSpacing(0.5, 0.5)
        assert_array_equal(fast.read(fast.info.region, half).rgb, slow.read(fast.info.region, half).rgb)


def test_large_reads_are_put_together_from_pieces(tmp_path):
    pixels = tissue(1100, 2300)
    path = write_tiff(tmp_path / "a.svs", [pixels], "lzw", 256, aperio(pixels))
    with open_openslide(path) as slide:
        assert_array_equal(slide.read(Region(11, 13, 2290, 1090)).rgb, pixels[13:1090, 11:2290])


def test_unscanned_area_is_white_and_said_so(tmp_path, pixels):
    path = write_tiff(tmp_path / "a.svs", [pixels], "lzw", 64, aperio(pixels), missing={(0, 0)})
    with open_openslide(path) as slide:
        raster = slide.read(Region(0, 0, 128, 64))
        assert raster.scanned is not None
        assert not raster.scanned[:, :64].any()
        assert raster.scanned[:, 64:].all()
        assert (raster.rgb[:, :64] == 255).all()
        assert slide.read(Region(64, 0, 128, 64)).scanned is None
        reduced = slide.read(Region(0, 0, 128, 64), PixelSpacing(1.0, 1.0))
        assert reduced.scanned is not None
        assert_array_equal(reduced.scanned, np.repeat([[False, True]], 16, axis=1).repeat(16, axis=0))


def test_transparency_is_blended_over_white(tmp_path):
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = 200, np.repeat(np.arange(64, dtype=np.uint8) * 4, 64).reshape(64, 64)
    path = tmp_path / "a.tif"
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"], "compression": "lzw", "metadata": None}
    tifffile.imwrite(path, rgba, tile=(64, 64), resolution=(40000, 40000), resolutionunit=3, **options)
    with open_slide(path) as slide:
        assert isinstance(slide, OpenSlideSlide)
        assert slide.info.spacing_source == "tiff.resolution"
        raster = slide.read(slide.info.region)
        alpha = rgba[..., 3:].astype(float) / 255
        expected = rgba[..., :3] * alpha + 255 * (1 - alpha)
        assert np.abs(raster.rgb - expected).max() <= 2.5  # OpenSlide rounds at 8 bits premultiplied
        assert raster.scanned is not None
        assert_array_equal(raster.scanned, rgba[..., 3] > 0)


def test_a_damaged_tile_does_not_poison_the_others(tmp_path, pixels):
    good = CODECS["deflate"]
    count = iter(range(1000))
    broken = Codec(8, 2, lambda tile: b"\0" * 500 if next(count) == 8 else good.encode(tile))
    path = write_tiff(tmp_path / "a.svs", [pixels], broken, 64, aperio(pixels))
    with open_openslide(path) as slide, ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            with pytest.raises(UnreadableSlideError, match=r"a\.svs: x 64-128, y 64-128 cannot be decoded"):
                slide.read(slide.tiles[1, 1])

        def attempt(tile):
            try:
                return slide.read(tile).rgb
            except UnreadableSlideError:
                return None

        tiles = list(slide.tiles) * 4
        for tile, rgb in zip(tiles, pool.map(attempt, tiles), strict=True):
            if tile == slide.tiles[1, 1]:
                assert rgb is None
            else:
                assert_array_equal(rgb, pixels[tile.y0 : tile.y1, tile.x0 : tile.x1])


def test_private_tags_do_not_leave_the_file(shared):
    for path in (*(shared / "slides").glob("*.ndpi"), *(shared / "tiny").glob("*.dcm")):
        with open_slide(path) as slide:
            assert isinstance(slide, OpenSlideSlide)
            assert {key for key, _ in slide.info.properties} <= {"objective_power", "scanner_model"}


def test_small_dicom_series_are_read_from_any_file(shared):
    rasters = []
    for name in ("boxes_0.dcm", "boxes_1.dcm"):
        with open_slide(shared / "tiny" / name) as slide:
            assert slide.info.spacing == PixelSpacing(0.499, 0.499)
            rasters.append(slide.read(slide.info.region).rgb)
    assert_array_equal(*rasters)


def test_lower_levels_are_used(tmp_path, pixels):
    dark = np.zeros_like(halved(pixels))
    path = write_tiff(tmp_path / "a.svs", [pixels, dark], "lzw", 64, aperio(pixels))
    for opened in (open_slide(path), open_openslide(path)):
        with opened as slide:
            assert not slide.read(slide.info.region, PixelSpacing(1.0, 1.0)).rgb.any()
            assert slide.read(slide.info.region, PixelSpacing(0.45, 0.45)).rgb.any()
