"""The fast path against OpenSlide, pixel by pixel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.slides import TiffSlide, open_slide, pyramid
from micromet_path.slides.tiff_layout import TiffLevel
from micromet_path.slides.tiff_reader import PositionedFile, open_tiff

from .conftest import CODECS, Codec, aperio, halved, tissue, write_tiff, ycbcr_jpeg


def difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def by_openslide(slide: openslide.OpenSlide, region: Region, level: int = 0) -> np.ndarray:
    return np.asarray(slide.read_region((region.x0, region.y0), level, (region.width, region.height)))


def random_regions(rng: np.random.Generator, whole: Region, count: int) -> list[Region]:
    x = np.sort(rng.integers(0, whole.x1, (count, 2)), axis=1)
    y = np.sort(rng.integers(0, whole.y1, (count, 2)), axis=1)
    return [whole, *(Region(x0, y0, x1 + 1, y1 + 1) for (x0, x1), (y0, y1) in zip(x.tolist(), y.tolist(), strict=True))]


def assert_like_openslide(path: Path, tolerance: int) -> None:
    with open_slide(path) as slide, openslide.OpenSlide(path) as judge:
        assert isinstance(slide, TiffSlide)
        assert (slide.info.width_px0, slide.info.height_px0) == judge.dimensions
        for region in random_regions(np.random.default_rng(1), slide.info.region, 12):
            raster = slide.read(region)
            assert difference(raster.rgb, by_openslide(judge, region)[..., :3]) <= tolerance
            assert raster.scanned is None


@pytest.mark.parametrize("tile", [64, 240])
@pytest.mark.parametrize("codec", [name for name in CODECS if name != "raw"])  # tifffile pads the last raw tile
def test_aperio_pixels_are_those_of_openslide(tmp_path, pixels, codec, tile):
    path = write_tiff(tmp_path / "a.svs", [pixels, halved(pixels)], codec, tile, aperio(pixels, tile))
    assert_like_openslide(path, CODECS[codec].tolerance)


@pytest.mark.parametrize("bigtiff", [False, True], ids=["classic", "bigtiff"])
@pytest.mark.parametrize("codec", [name for name in CODECS if "2000" not in name and name != "raw"])
def test_generic_tiff_pixels_are_those_of_openslide(tmp_path, pixels, codec, bigtiff):
    path = write_tiff(
        tmp_path / "a.tif", [pixels, halved(pixels)], codec, 48, resolution=(40000, 40000), bigtiff=bigtiff
    )
    assert_like_openslide(path, 0)


def test_the_tag_and_not_the_jfif_marker_says_the_colour_space(tmp_path, pixels):
    """Three components that are RGB by the TIFF tag, under a JFIF marker that would mean YCbCr."""
    codec = Codec(7, 2, lambda tile: ycbcr_jpeg(tile, "444"))
    assert_like_openslide(write_tiff(tmp_path / "a.svs", [pixels], codec, 64, aperio(pixels)), 0)


@pytest.mark.parametrize("codec", ["lzw", "lzw-predictor", "deflate", "deflate-predictor", "raw"])
def test_lossless_codecs_give_the_source(tmp_path, pixels, codec):
    with open_slide(write_tiff(tmp_path / "a.svs", [pixels], codec, 64, aperio(pixels))) as slide:
        assert_array_equal(slide.read(slide.info.region).rgb, pixels)


def test_jpeg2000_as_in_other_tiffs(tmp_path, pixels):
    codec = Codec(34712, 2, CODECS["jpeg2000-rgb"].encode)
    path = write_tiff(tmp_path / "a.tif", [pixels], codec, 64, resolution=(40000, 40000))
    with open_slide(path) as slide:
        assert slide.info.reader == "tiff/jpeg2000"
        assert difference(slide.read(slide.info.region).rgb, pixels) < 40


@pytest.mark.parametrize("codec", ["jpeg2000-rgb", "jpeg2000-ycbcr"])
def test_jpeg2000_has_levels_between_those_that_are_stored(tmp_path, codec):
    """Three resolutions a stream: halves and quarters of level 0; below a stored level they are its own."""
    pixels = tissue(600, 840)
    stored = [pixels, halved(halved(pixels))]
    path = write_tiff(tmp_path / "a.svs", stored, codec, 64, aperio(pixels), missing={(0, 3)})
    with open_slide(path) as slide, openslide.OpenSlide(path) as judge:
        assert [level.downsample_x for level in slide.info.levels] == [1.0, 2.0, 4.0, 8.0, 16.0]
        assert [level.width for level in slide.info.levels] == [840, 420, 210, 105, 53]
        for factor, tolerance in ((2, 10), (4, 4), (8, 10)):  # wavelets keep more of the noise than means of squares
            raster = slide.read(slide.info.region, PixelSpacing(0.25 * factor, 0.25 * factor))
            if factor == 2:  # of level 0, of which a tile was left out
                assert raster.scanned is not None
                assert_array_equal(np.argwhere(~raster.scanned).min(axis=0), (0, 96))
                assert np.count_nonzero(~raster.scanned) == 32 * 32
            else:
                assert raster.scanned is None
            by_judge = by_openslide(judge, slide.info.region)[..., :3]
            rows, columns = raster.rgb.shape[:2]
            whole = by_judge[: rows * factor, : columns * factor]
            means = whole.reshape(rows, factor, columns, factor, 3).mean(axis=(1, 3))
            seen = np.ones((rows, columns), bool) if raster.scanned is None else raster.scanned
            if factor > 2:
                seen[: 64 // factor, 192 // factor : 256 // factor] = False
            apart = raster.rgb[seen] - means[seen]
            assert np.abs(apart).mean() <= tolerance
            assert np.abs(apart.mean(axis=0)).max() <= 2


@pytest.mark.parametrize("shape", [(300, 420), (257, 401), (256, 384), (65, 66)])
def test_what_fills_up_the_last_tiles_is_not_mixed_into_levels_of_jpeg2000(tmp_path, shape):
    pixels = np.full((*shape, 3), 240, np.uint8)
    path = write_tiff(tmp_path / "a.svs", [pixels], "jpeg2000-rgb", 64, aperio(pixels), padding=0)
    with open_slide(path) as slide:
        drawn = slide.read(slide.info.region).rgb.astype(int)
        assert np.ptp(drawn[: shape[0] // 64 * 64, : shape[1] // 64 * 64]) <= 1
        for factor in (2, 4, 8):
            assert any(level.downsample_x == min(factor, 4) for level in slide.info.levels)
            raster = slide.read(slide.info.region, PixelSpacing(0.25 * factor, 0.25 * factor))
            assert drawn.min() - 1 <= raster.rgb.min() <= raster.rgb.max() <= drawn.max() + 1


def test_levels_of_an_aperio_slide_leave_out_thumbnail_label_and_macro(tmp_path, pixels):
    path = tmp_path / "a.svs"
    with tifffile.TiffWriter(path) as writer:
        options = {"compression": "jpeg", "metadata": None}
        writer.write(pixels, tile=(64, 64), description=aperio(pixels), **options)
        writer.write(pixels[::3, ::3], rowsperstrip=16, description="Aperio thumbnail", **options)
        writer.write(halved(pixels), tile=(64, 64), description="Aperio level", **options)
        writer.write(pixels[:90, :90], rowsperstrip=16, subfiletype=1, description="Aperio label", **options)
        writer.write(pixels[:90, :200], rowsperstrip=16, subfiletype=9, description="Aperio macro", **options)
    with open_slide(path) as slide:
        assert [(level.width, level.height) for level in slide.info.levels] == [(420, 300), (210, 150)]
        assert [level.downsample_x for level in slide.info.levels] == [1.0, 2.0]


def test_only_allowed_tags_leave_the_file(svs):
    with open_slide(svs) as slide:
        assert dict(slide.info.properties) == {"objective_power": "40"}
        assert not any(private in repr(slide.info) for private in ("SS1234", "somebody", "01/02/20"))


def test_ome_tiff_with_subresolutions(tmp_path, pixels):
    path = tmp_path / "a.ome.tif"
    metadata = {"axes": "YXS", "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.5e-3}
    metadata["PhysicalSizeYUnit"] = "mm"
    options = {"tile": (64, 64), "compression": "deflate", "photometric": "rgb"}
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as writer:
        writer.write(pixels, subifds=1, metadata=metadata, **options)
        writer.write(halved(pixels), subfiletype=1, **options)
    with open_slide(path) as slide:
        assert isinstance(slide, TiffSlide)
        assert slide.info.vendor == "ome-tiff"
        assert slide.info.spacing_source == "ome"
        assert slide.info.spacing == PixelSpacing(0.25, 0.5)
        assert len(slide.info.levels) == 2
        assert_array_equal(slide.read(slide.info.region).rgb, pixels)
        assert_array_equal(slide.read(slide.info.region, PixelSpacing(0.5, 1.0)).rgb, halved(pixels))


def test_tiles_that_were_left_out_are_not_scanned(tmp_path, pixels):
    for name, description in (("a.tif", None), ("a.svs", aperio(pixels))):
        path = write_tiff(
            tmp_path / name, [pixels], "jpeg-444", 64, description, missing={(0, 8)}, resolution=(40000, 40000)
        )
        with open_slide(path) as slide, openslide.OpenSlide(path) as judge:
            assert isinstance(slide, TiffSlide)
            raster = slide.read(Region(30, 40, 200, 140))
            seen = by_openslide(judge, Region(30, 40, 200, 140))
            assert raster.scanned is not None
            assert not raster.scanned.all()
            assert_array_equal(raster.scanned, seen[..., 3] > 0)
            assert_array_equal(raster.rgb[raster.scanned], seen[..., :3][raster.scanned])
            assert (raster.rgb[~raster.scanned] == 255).all()


def test_a_tile_missing_in_a_lower_aperio_level_comes_from_the_finer_one(tmp_path, pixels):
    path = write_tiff(tmp_path / "a.svs", [pixels, halved(pixels)], "lzw", 64, aperio(pixels), missing={(1, 0), (1, 5)})
    with open_slide(path) as slide:
        raster = slide.read(Region(0, 0, 128, 128), PixelSpacing(0.5, 0.5))
        assert raster.scanned is None
        assert_array_equal(raster.rgb, halved(pixels)[:64, :64])


def test_reading_into_a_buffer_gives_a_view_of_it(svs):
    with open_slide(svs) as slide:
        buffer = np.zeros((200, 256, 3), np.uint8)
        raster = slide.read(Region(64, 64, 190, 200), out=buffer)
        assert np.shares_memory(raster.rgb, buffer)
        assert raster.rgb.shape == (136, 126, 3)
        assert_array_equal(raster.rgb, slide.read(Region(64, 64, 190, 200)).rgb)
        assert not buffer[136:].any()


@pytest.mark.parametrize("codec", CODECS)
def test_tiles_decoded_in_place_are_those_that_are_copied(tmp_path, pixels, codec):
    with open_slide(write_tiff(tmp_path / "a.svs", [pixels], codec, 64, aperio(pixels))) as slide:
        copied = slide.read(slide.info.region).rgb
        for tile in slide.tiles:
            assert_array_equal(slide.read(tile).rgb, copied[tile.y0 : tile.y1, tile.x0 : tile.x1])
        column = np.empty((256, 64, 3), np.uint8)
        assert_array_equal(slide.read(Region(64, 0, 128, 256), out=column).rgb, copied[:256, 64:128])


def test_reading_in_turn_is_reading_by_position(svs):
    file = PositionedFile(svs)
    with ThreadPoolExecutor(4) as pool:
        spans = [(offset, 100) for offset in range(0, file.size, 777)]
        found = list(pool.map(lambda span: file.read_in_turn(*span), spans))
    assert found == [file.read_at(*span) for span in spans]
    file.close()


@pytest.mark.parametrize("region", [Region(0, 0, 421, 10), Region(-1, 0, 10, 10), Region(5, 5, 5, 9)])
def test_regions_outside_are_refused(svs, region):
    with open_slide(svs) as slide, pytest.raises(ValueError, match="empty or reaches outside"):
        slide.read(region)


def test_small_buffers_are_refused(svs):
    with open_slide(svs) as slide, pytest.raises(ValueError, match="out must be"):
        slide.read(slide.info.region, out=np.empty((10, 10, 3), np.uint8))


def test_threads_do_not_see_each_others_tiles(svs):
    with open_slide(svs) as slide:
        tiles = list(slide.tiles) * 20
        alone = [slide.read(tile).rgb for tile in slide.tiles] * 20
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda tile: slide.read(tile).rgb, tiles))
    for one, other in zip(alone, together, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("codec", ["jpeg-420", "jpeg-420-tables", "jpeg2000-rgb", "lzw", "deflate"])
def test_a_cut_off_tile_is_named_and_the_others_are_read(tmp_path, pixels, codec):
    good = CODECS[codec]
    count = iter(range(1000))
    broken = Codec(
        good.compression,
        good.photometric,
        lambda tile: good.encode(tile) if next(count) != 8 else good.encode(tile)[:-90],
        good.tables,
        good.subsampling,
    )
    path = write_tiff(tmp_path / "a.svs", [pixels], broken, 64, aperio(pixels))
    with open_slide(path) as slide:
        assert slide.read(Region(0, 0, 420, 64)).scanned is None
        with pytest.raises(UnreadableSlideError, match=r"a\.svs: the tile at x 64-128, y 64-128 cannot be decoded"):
            slide.read(Region(70, 70, 80, 80))
        assert slide.read(Region(128, 64, 420, 300)).scanned is None


def test_a_stream_of_another_size_than_the_tag_says_is_unreadable(tmp_path, pixels):
    codec = Codec(7, 6, lambda tile: ycbcr_jpeg(tile[:48, :48]), subsampling=(2, 2))
    with (
        open_slide(write_tiff(tmp_path / "a.svs", [pixels], codec, 64, aperio(pixels))) as slide,
        pytest.raises(UnreadableSlideError, match="expected"),
    ):
        slide.read(Region(0, 0, 10, 10))


@pytest.mark.parametrize("percent", [10, 50, 90])
def test_truncated_slides_never_show_what_they_do_not_hold(tmp_path, svs, pixels, percent):
    data = svs.read_bytes()
    cut = tmp_path / "cut.svs"
    cut.write_bytes(data[: len(data) * percent // 100])
    try:
        slide = open_slide(cut)
    except UnreadableSlideError:
        return
    with slide, open_slide(svs) as whole:
        read = 0
        for tile in slide.tiles:
            try:
                found = slide.read(tile).rgb
            except UnreadableSlideError as error:
                assert f"x {tile.x0}-{tile.x1}, y {tile.y0}-{tile.y1}" in str(error)  # noqa: PT017
                continue
            read += 1
            assert_array_equal(found, whole.read(tile).rgb)
        assert slide.info.warnings
        assert 0 < read <= len(slide.tiles)


def test_a_directory_beyond_the_end_is_said_so(tmp_path, pixels):
    data = bytearray(write_tiff(tmp_path / "a.svs", [pixels], "lzw", 64, aperio(pixels)).read_bytes())
    data[4:8] = (len(data) + 1000).to_bytes(4, "little")
    (tmp_path / "cut.svs").write_bytes(data)
    with pytest.raises(UnreadableSlideError, match=r"cut\.svs is damaged: its TIFF directory lies beyond the end"):
        open_slide(tmp_path / "cut.svs")


def test_noise_of_the_tiff_library_does_not_reach_stderr(tmp_path, svs, capfd):
    data = svs.read_bytes()
    (tmp_path / "cut.svs").write_bytes(data[: len(data) // 2])
    open_tiff(tmp_path / "cut.svs")
    assert capfd.readouterr().err == ""


@pytest.fixture(scope="module")
def levels_on_disk(tmp_path_factory):
    pixels = tissue(301, 455, seed=3)
    levels = [pixels, halved(pixels), halved(halved(pixels))]
    path = write_tiff(tmp_path_factory.mktemp("pyramid") / "a.svs", levels, "deflate", 48, aperio(pixels))
    with open_slide(path) as slide:
        yield slide, pixels


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_region_at_any_spacing_is_the_mean_of_level_0(levels_on_disk, data):
    slide, pixels = levels_on_disk
    x0, y0 = data.draw(st.integers(0, 454)), data.draw(st.integers(0, 300))
    region = Region(x0, y0, data.draw(st.integers(x0 + 1, 455)), data.draw(st.integers(y0 + 1, 301)))
    spacing = PixelSpacing(data.draw(st.floats(0.25, 8)), data.draw(st.floats(0.25, 8)))

    rgb = slide.read(region, spacing).rgb

    rows, columns = (
        max(1, round(region.height * 0.25 / spacing.y_um)),
        max(1, round(region.width * 0.25 / spacing.x_um)),
    )
    assert rgb.shape == (rows, columns, 3)
    part = pixels[region.y0 : region.y1, region.x0 : region.x1].astype(float)
    # A mean of means can differ by rounding and by the pixels that one cell shares with the next.
    slack = 1.5 + 255 * 2 * (4 / region.width + 4 / region.height)
    assert np.abs(rgb.mean(axis=(0, 1)) - part.mean(axis=(0, 1))).max() <= slack


@pytest.mark.parametrize("workers", [2, 5])
def test_a_picture_that_threads_divide_among_them_is_the_same(tmp_path, pixels, monkeypatch, workers):
    monkeypatch.setattr(pyramid, "_PIECE_PX", 64)
    monkeypatch.setattr(pyramid, "_PIECE_TILES", 1)
    path = write_tiff(tmp_path / "a.svs", [pixels], "jpeg2000-rgb", 64, aperio(pixels), missing={(0, 8)})
    for spacing in (PixelSpacing(0.5, 0.5), PixelSpacing(1.1, 0.7)):
        with open_slide(path) as slide:
            alone = slide.read(slide.info.region, spacing)
        with open_slide(path) as slide:
            divided = slide.read(slide.info.region, spacing, workers=workers)
        assert alone.scanned is not None
        assert divided.scanned is not None
        assert not alone.scanned.all()
        assert_array_equal(divided.rgb, alone.rgb)
        assert_array_equal(divided.scanned, alone.scanned)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_picture_of_what_cannot_be_decoded_is_refused_however_many_read_it(tmp_path, pixels, workers):
    path = write_tiff(tmp_path / "a.tif", [pixels], "jpeg-444", 64, resolution=(40000, 40000))
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        start, size = tiff.pages[0].dataoffsets[5], tiff.pages[0].databytecounts[5]
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    with open_slide(path) as slide, pytest.raises(UnreadableSlideError, match=r"a\.tif: the tile at x 320-384"):
        slide.read(slide.info.region, PixelSpacing(1.0, 1.0), workers=workers)


@pytest.mark.parametrize("factor", [2, 4, 8, 16])
def test_whole_factors_are_exact_area_means(levels_on_disk, factor):
    slide, pixels = levels_on_disk
    region = Region(48, 96, 48 + 16 * 12, 96 + 16 * 9)
    rgb = slide.read(region, PixelSpacing(0.25 * factor, 0.25 * factor)).rgb
    part = pixels[96 : 96 + 144, 48 : 48 + 192].reshape(144 // factor, factor, 192 // factor, factor, 3)
    assert np.abs(rgb - part.mean(axis=(1, 3))).max() <= 1.6  # each level rounds once


def test_real_slides_are_read_as_openslide_reads_them(shared):
    for name, tolerance in (("cmu-1-small-region.svs", 0), ("ihc-dab-1065626.svs", 1), ("he-no-mpp.svs", 1)):
        path = shared / "slides" / name
        with open_slide(path, PixelSpacing(0.5, 0.5)) as slide, openslide.OpenSlide(path) as judge:
            assert isinstance(slide, TiffSlide)
            rng = np.random.default_rng(7)
            for _ in range(6):
                x, y = rng.integers(0, slide.info.width_px0 - 500), rng.integers(0, slide.info.height_px0 - 500)
                region = Region(int(x), int(y), int(x) + 500, int(y) + 500)
                assert difference(slide.read(region).rgb, by_openslide(judge, region)[..., :3]) <= tolerance


# -- tiles that are kept -------------------------------------------------------------------------


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every tile that is decoded from now on, by its number in the level."""
    decoded: list[int] = []
    decode = TiffSlide._decode

    def spy(self: TiffSlide, level: TiffLevel, index: int, out: np.ndarray) -> np.ndarray:
        decoded.append(index)
        return decode(self, level, index, out)

    monkeypatch.setattr(TiffSlide, "_decode", spy)
    return decoded


def test_neighbouring_windows_of_a_slide_that_is_dear_to_decode_share_their_tiles(tmp_path, pixels, monkeypatch):
    path = write_tiff(tmp_path / "a.svs", [pixels], "jpeg2000-rgb", 64, aperio(pixels, 64))
    with open_slide(path) as slide:
        whole = slide.read(slide.info.region).rgb
        decoded = counted(monkeypatch)
        for x0 in range(3, 40, 4):
            region = Region(x0, 10, x0 + 60, 100)
            assert_array_equal(slide.read(region).rgb, whole[10:100, x0 : x0 + 60])
        assert len(decoded) <= 4


def test_no_more_tiles_are_kept_than_there_is_room_for(tmp_path, pixels, monkeypatch):
    monkeypatch.setattr("micromet_path.slides.tiff_reader._KEPT_BYTES", 3 * 32 * 32 * 3)
    path = write_tiff(tmp_path / "a.svs", [pixels], "jpeg2000-rgb", 32, aperio(pixels, 32))
    with open_slide(path) as slide:
        whole = slide.read(slide.info.region).rgb
        decoded = counted(monkeypatch)
        for region in random_regions(np.random.default_rng(2), slide.info.region, 60):
            assert_array_equal(slide.read(region).rgb, whole[region.y0 : region.y1, region.x0 : region.x1])
        assert len(slide._decoded._tiles) <= 3
        assert len(decoded) > len(slide.tiles)


def test_what_is_asked_for_again_is_kept_the_longest(tmp_path, pixels, monkeypatch):
    monkeypatch.setattr("micromet_path.slides.tiff_reader._KEPT_BYTES", 3 * 32 * 32 * 3)
    path = write_tiff(tmp_path / "a.svs", [pixels], "jpeg2000-rgb", 32, aperio(pixels, 32))
    with open_slide(path) as slide:
        decoded = counted(monkeypatch)
        for column in range(1, 9):
            slide.read(Region(2, 2, 20, 20))
            slide.read(Region(32 * column + 2, 2, 32 * column + 20, 20))
        assert decoded.count(0) == 1


def test_a_closed_slide_keeps_nothing(tmp_path, pixels):
    path = write_tiff(tmp_path / "a.svs", [pixels], "jpeg2000-rgb", 64, aperio(pixels, 64))
    with open_slide(path) as slide:
        slide.read(Region(2, 2, 20, 20))
    with pytest.raises(ValueError, match="closed"):
        slide.read(Region(2, 2, 20, 20))


def test_many_threads_share_what_is_kept(tmp_path, pixels, monkeypatch):
    path = write_tiff(tmp_path / "a.svs", [pixels], "jpeg2000-ycbcr", 32, aperio(pixels, 32))
    with open_slide(path) as slide, ThreadPoolExecutor(8) as pool:
        decoded = counted(monkeypatch)
        regions = random_regions(np.random.default_rng(3), slide.info.region, 200)
        rasters = list(pool.map(slide.read, regions))
        assert len(decoded) == len(slide.tiles)
        for region, raster in zip(regions, rasters, strict=True):
            assert_array_equal(raster.rgb, rasters[0].rgb[region.y0 : region.y1, region.x0 : region.x1])


def test_a_tile_that_cannot_be_decoded_is_tried_again(tmp_path, pixels):
    path = write_tiff(tmp_path / "a.svs", [pixels], "jpeg2000-rgb", 64, aperio(pixels, 64))
    with open_slide(path) as slide:
        broken = replace(slide._levels[0], decode=_refuse)
        whole, slide._levels = slide._levels, (broken, *slide._levels[1:])
        for _ in range(2):
            with pytest.raises(UnreadableSlideError, match="cannot be decoded"):
                slide.read(Region(3, 3, 9, 9))
        slide._levels = whole
        assert slide.read(Region(3, 3, 9, 9)).rgb.shape == (6, 6, 3)


def _refuse(data: bytes, out: np.ndarray) -> None:
    raise ValueError("not today")
