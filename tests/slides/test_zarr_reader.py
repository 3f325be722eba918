"""OME-Zarr 0.4 and 0.5."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal

from micromet_path.errors import MissingScaleError, UnreadableSlideError, UnsupportedSlideError
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.slides import open_slide

from .conftest import halved


def write_zarr(
    path, levels, version="0.5", axes="tczyx", unit: str | None = "micrometer", um=0.25, shards=False, **options
):
    zarr_format = 3 if version == "0.5" else 2
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    datasets = []
    for index, pixels in enumerate(levels):
        places = {"y": 0, "x": 1, "c": 2}
        kept = [axis for axis in axes if axis in places]
        data = pixels.transpose([places[axis] for axis in kept])
        data = data.reshape([data.shape[kept.index(axis)] if axis in kept else 1 for axis in axes])
        chunks = tuple({"y": 64, "x": 96, "c": 1}.get(axis, 1) for axis in axes)
        outer = tuple({"y": 128, "x": 192, "c": 3}.get(axis, 1) for axis in axes) if shards else None
        array = group.create_array(
            str(index), shape=data.shape, dtype=data.dtype, chunks=chunks, shards=outer, fill_value=0, **options
        )
        array[...] = data
        scale = [um * 2**index if axis in "xy" else 1.0 for axis in axes]
        datasets.append({"path": str(index), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    kinds = {"t": "time", "c": "channel"}
    described: list[dict[str, Any]] = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes]
    for axis in described:
        if axis["type"] == "space" and unit:
            axis["unit"] = unit
    record = {"multiscales": [{"axes": described, "datasets": datasets, "name": "image", "version": version}]}
    group.attrs.update({"ome": {"version": "0.5", **record}} if version == "0.5" else record)
    return path


@pytest.mark.parametrize("axes", ["tczyx", "cyx", "yxc"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_pixels_and_scale(tmp_path, pixels, version, axes):
    with open_slide(write_zarr(tmp_path / "a.ome.zarr", [pixels, halved(pixels)], version, axes)) as slide:
        assert slide.info.spacing == PixelSpacing(0.25, 0.25)
        assert slide.info.spacing_source == "ome-zarr"
        assert [level.downsample_x for level in slide.info.levels] == [1.0, 2.0]
        assert (slide.tiles.tile_width, slide.tiles.tile_height) == (96, 64)
        assert_array_equal(slide.read(slide.info.region).rgb, pixels)
        assert_array_equal(slide.read(Region(31, 17, 300, 250)).rgb, pixels[17:250, 31:300])
        assert_array_equal(slide.read(slide.info.region, PixelSpacing(0.5, 0.5)).rgb, halved(pixels))


def test_sharded(tmp_path, pixels):
    with open_slide(write_zarr(tmp_path / "a.ome.zarr", [pixels], shards=True)) as slide:
        raster = slide.read(slide.info.region)
        assert raster.scanned is None
        assert_array_equal(raster.rgb, pixels)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("shards", [False, True])
def test_chunks_never_written_are_not_scanned(tmp_path, pixels, version, shards):
    if shards and version == "0.4":
        pytest.skip("zarr v2 has no shards")
    pixels = pixels.copy()
    pixels[128:256, 192:384] = 0
    path = write_zarr(tmp_path / "a.ome.zarr", [pixels], version, shards=shards, config={"write_empty_chunks": False})
    with open_slide(path) as slide:
        raster = slide.read(Region(100, 100, 400, 280))
        expected = np.ones((180, 300), bool)
        expected[28:156, 92:284] = False
        assert_array_equal(raster.scanned, expected)
        assert (raster.rgb[~expected] == 255).all()
        assert_array_equal(raster.rgb[expected], pixels[100:280, 100:400][expected])


def test_bioformats2raw_layout(tmp_path, pixels):
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    write_zarr(tmp_path / "a.zarr" / "0", [pixels], "0.4")
    with open_slide(tmp_path / "a.zarr") as slide:
        assert_array_equal(slide.read(slide.info.region).rgb, pixels)


def test_units(tmp_path, pixels):
    path = write_zarr(tmp_path / "a.zarr", [pixels], unit="nanometer", um=250.0)
    assert open_slide(path).info.spacing == PixelSpacing(0.25, 0.25)
    path = write_zarr(tmp_path / "b.zarr", [pixels], unit=None)
    with pytest.raises(MissingScaleError, match=r"b\.zarr states no microns per pixel"):
        open_slide(path)
    assert open_slide(path, PixelSpacing(0.5, 0.5)).info.spacing_source == "given"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda pixels: pixels.astype(np.uint16), "3 channels of 16 bits"),
        (lambda pixels: pixels[..., :2], "2 channels of 8 bits"),
        (lambda pixels: pixels[..., :1], "one channel of 8 bits"),
    ],
)
def test_other_pixels_are_refused(tmp_path, pixels, changed, words):
    with pytest.raises(UnsupportedSlideError, match=words):
        open_slide(write_zarr(tmp_path / "a.zarr", [changed(pixels)]))


def test_groups_without_an_image(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    with pytest.raises(UnsupportedSlideError, match="holds no OME-Zarr image"):
        open_slide(tmp_path / "a.zarr")


def test_damaged_metadata(tmp_path, pixels):
    path = write_zarr(tmp_path / "a.zarr", [pixels])
    (path / "0" / "zarr.json").write_text("{")
    with pytest.raises(UnreadableSlideError, match=r"a\.zarr is damaged"):
        open_slide(path)
    (path / "zarr.json").write_text("not json")
    with pytest.raises(UnreadableSlideError, match=r"a\.zarr is damaged"):
        open_slide(path)


def test_damaged_chunks_are_named(tmp_path, pixels):
    path = write_zarr(tmp_path / "a.zarr", [pixels])
    (path / "0" / "c" / "0" / "0" / "0" / "1" / "1").write_bytes(b"nonsense")
    with open_slide(path) as slide:
        assert slide.read(Region(0, 0, 96, 64)).scanned is None
        with pytest.raises(UnreadableSlideError, match="cannot be decoded"):
            slide.read(Region(96, 64, 190, 120))
