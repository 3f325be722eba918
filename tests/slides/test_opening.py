"""Which reader serves a file, and what is refused with which words."""

from __future__ import annotations

import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
import simplejpeg
import tifffile
from numpy.testing import assert_array_equal

from micromet_path.errors import (
    ImplausibleScaleError,
    MicrometError,
    MissingScaleError,
    MissingSlideError,
    UnreadableSlideError,
    UnsupportedSlideError,
)
from micromet_path.geometry import PixelSpacing
from micromet_path.slides import ArraySlide, Slide, TiffSlide, open_slide

from .conftest import aperio, tissue, write_tiff

HALF = PixelSpacing(0.5, 0.5)


def test_importing_the_package_is_light():
    heavy = "{'openslide', 'tifffile', 'zarr', 'simplejpeg', 'imagecodecs', 'PIL', 'numba'}"
    code = f"import sys; from micromet_path.slides import ArraySlide, Slide; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_slide_keeps_the_protocol(svs):
    with open_slide(svs) as slide:
        assert isinstance(slide, Slide)
    assert isinstance(ArraySlide(tissue(9, 9), HALF), Slide)


def test_names_outside_ascii(tmp_path, pixels):
    path = write_tiff(tmp_path / "präparat 😐 (1).svs", [pixels], "jpeg-420", 64, aperio(pixels))
    with open_slide(str(path)) as slide:
        assert isinstance(slide, TiffSlide)
        assert slide.info.name == path.name


def test_missing_file(tmp_path):
    with pytest.raises(MissingSlideError, match="does not exist"):
        open_slide(tmp_path / "none.svs")


def test_folder_that_is_no_slide(tmp_path):
    with pytest.raises(UnsupportedSlideError, match="is a folder and not an OME-Zarr image"):
        open_slide(tmp_path)


@pytest.mark.parametrize("suffix", [".svs", ".ndpi", ".tif", ".png", ".mrxs", ".dcm"])
@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", UnreadableSlideError), (np.random.default_rng(0).bytes(5000), UnsupportedSlideError)],
    ids=["empty", "random"],
)
def test_files_that_are_nothing(tmp_path, suffix, content, error):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(error, match=rf"^a{suffix} "):
        open_slide(path, HALF)


@pytest.mark.parametrize("start", [b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_random_bytes_behind_a_right_start(tmp_path, start):
    for seed in range(20):
        path = tmp_path / "a.tif"
        path.write_bytes(start + np.random.default_rng(seed).bytes(300))
        for name in ("a.tif", "a.png", "a.jpg"):
            path = path.rename(tmp_path / name)
            with pytest.raises((UnreadableSlideError, UnsupportedSlideError)):
                open_slide(path, HALF)


def test_png_under_the_name_of_a_slide(tmp_path):
    path = tmp_path / "a.svs"
    path.write_bytes(imagecodecs.png_encode(tissue(20, 30)))
    for spacing in (None, HALF):
        with pytest.raises(UnsupportedSlideError, match="plain PNG image under another name"):
            open_slide(path, spacing)


def image_bytes(kind: str, pixels: np.ndarray) -> bytes:
    if kind == "png":
        return imagecodecs.png_encode(pixels)
    if kind == "jpg":
        return simplejpeg.encode_jpeg(pixels, 95)
    return tifffile_bytes(pixels)


def tifffile_bytes(pixels: np.ndarray) -> bytes:
    from io import BytesIO

    file = BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", resolution=(72, 72), resolutionunit=2)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpg", "tif"])
def test_plain_images_need_a_spacing(tmp_path, kind):
    pixels = tissue(40, 50)
    path = tmp_path / f"a.{kind}"
    path.write_bytes(image_bytes(kind, pixels))
    with pytest.raises(MissingScaleError, match="states no microns per pixel; pass --mpp"):
        open_slide(path)
    with open_slide(path, PixelSpacing(0.5, 0.25)) as slide:
        assert isinstance(slide, ArraySlide)
        assert slide.info.spacing == PixelSpacing(0.5, 0.25)
        assert slide.info.spacing_source == "given"
        rgb = slide.read(slide.info.region).rgb
        if kind == "jpg":
            assert np.abs(rgb.astype(int) - pixels).mean() < 10
        else:
            assert_array_equal(rgb, pixels)


def test_transparent_png_is_not_scanned_where_it_is_clear(tmp_path):
    rgba = np.dstack([tissue(20, 30), np.full((20, 30), 255, np.uint8)])
    rgba[:10, :, 3] = 0
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(rgba))
    raster = open_slide(path, HALF).read(open_slide(path, HALF).info.region)
    assert raster.scanned is not None
    assert not raster.scanned[:10].any()
    assert raster.scanned[10:].all()
    assert (raster.rgb[:10] == 255).all()


@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        (np.zeros((64, 64), np.uint8), "one channel of 8 bits"),
        (np.zeros((64, 64), np.uint16), "one channel of 16 bits"),
        (np.zeros((64, 64, 3), np.uint16), "3 channels of 16 bits"),
    ],
    ids=["grey", "grey16", "rgb16"],
)
@pytest.mark.parametrize("kind", ["png", "tiled.tif", "plain.tif"])
def test_images_that_are_not_brightfield_rgb(tmp_path, pixels, found, kind):
    path = tmp_path / f"a.{kind}"
    if kind == "png":
        path.write_bytes(imagecodecs.png_encode(pixels))
    else:
        photometric = "rgb" if pixels.ndim == 3 else "minisblack"
        tifffile.imwrite(path, pixels, tile=(64, 64) if kind == "tiled.tif" else None, photometric=photometric)
    with pytest.raises(UnsupportedSlideError, match=f"has {found}.*expected a brightfield slide"):
        open_slide(path, HALF)


def test_channel_stacks_are_refused(tmp_path):
    planes = np.zeros((3, 64, 64), np.uint8)
    tifffile.imwrite(tmp_path / "planar.tif", planes, photometric="rgb", planarconfig="separate", tile=(64, 64))
    with pytest.raises(UnsupportedSlideError, match="3 separate channels of 8 bits"):
        open_slide(tmp_path / "planar.tif", HALF)
    tifffile.imwrite(tmp_path / "a.ome.tif", planes, photometric="minisblack", metadata={"axes": "CYX"}, tile=(64, 64))
    with pytest.raises(UnsupportedSlideError, match="channel"):
        open_slide(tmp_path / "a.ome.tif", HALF)
    floats = np.zeros((64, 64, 3), np.float32)
    tifffile.imwrite(tmp_path / "float.tif", floats, photometric="rgb", tile=(64, 64))
    with pytest.raises(UnsupportedSlideError, match="floating point"):
        open_slide(tmp_path / "float.tif", HALF)


def test_large_plain_images_are_not_loaded(tmp_path):
    header = bytearray(imagecodecs.png_encode(tissue(8, 8)))
    header[16:24] = (30_000).to_bytes(4, "big") * 2
    (tmp_path / "a.png").write_bytes(header)
    with pytest.raises(UnsupportedSlideError, match="expected at most 400 Mpx"):
        open_slide(tmp_path / "a.png", HALF)


def test_screen_resolution_is_not_a_scale(tmp_path, pixels):
    path = write_tiff(tmp_path / "a.tif", [pixels], "lzw", 64, resolution=(72, 72), unit=2)
    with pytest.raises(MissingScaleError, match=r"a\.tif states no microns per pixel"):
        open_slide(path)
    assert open_slide(path, HALF).info.spacing_source == "given"


def test_scale_of_a_generic_tiff(tmp_path, pixels):
    path = write_tiff(tmp_path / "a.tif", [pixels], "lzw", 64, resolution=(40000, 20000))
    info = open_slide(path).info
    assert info.spacing == PixelSpacing(0.25, 0.5)
    assert info.spacing_source == "tiff.resolution"
    assert "not square" in info.warnings[0]


def test_scales_are_cross_checked(tmp_path, pixels):
    path = write_tiff(tmp_path / "a.svs", [pixels], "lzw", 64, aperio(pixels), resolution=(20000, 20000))
    info = open_slide(path).info
    assert info.spacing == PixelSpacing(0.25, 0.25)
    assert "the file also states 0.5 x 0.5 um per pixel (tiff.resolution)" in info.warnings[0]
    assert "0.25 x 0.25" in open_slide(path, HALF).info.warnings[0]


@pytest.mark.parametrize("mpp", ["0.01", "4.2", "28.97"])
def test_implausible_scales_are_refused(tmp_path, pixels, mpp):
    path = write_tiff(tmp_path / "a.svs", [pixels], "lzw", 64, aperio(pixels, mpp=mpp))
    with pytest.raises(ImplausibleScaleError, match=f"found {mpp} x {mpp} um per pixel in a.svs .*expected 0.1 to 2.0"):
        open_slide(path)
    assert open_slide(path, HALF).info.spacing == HALF


@pytest.mark.parametrize("mpp", [0.05, 2.5])
def test_given_scales_outside_of_the_range_are_refused(svs, mpp):
    with pytest.raises(ImplausibleScaleError, match="given"):
        open_slide(svs, PixelSpacing(mpp, 0.5))


def test_objective_that_contradicts_the_scale(tmp_path, pixels):
    path = write_tiff(tmp_path / "a.svs", [pixels], "lzw", 64, aperio(pixels, mpp="0.25", power="10"))
    assert "the objective is 10x" in open_slide(path).info.warnings[0]


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("boxes.tiff", MissingScaleError, "states no microns per pixel"),
        ("unopenable.tiff", UnsupportedSlideError, "Unsupported TIFF compression: 52479"),
        ("unreadable.svs", UnreadableSlideError, "cannot be decoded"),
        ("vsi-ets-test-jpg2k.vsi", UnsupportedSlideError, "the slide's pixels are in its .ets files"),
    ],
)
def test_real_files_that_are_refused(shared, capfd, name, error, words):
    with pytest.raises(error, match=words), open_slide(shared / "reject" / name) as slide:
        slide.read(slide.info.region)
    assert capfd.readouterr().err == ""


def test_real_slides_without_a_usable_scale(shared):
    with pytest.raises(MissingScaleError, match=r"^he-no-mpp\.svs states no microns per pixel; pass --mpp"):
        open_slide(shared / "slides" / "he-no-mpp.svs")
    with pytest.raises(ImplausibleScaleError, match=r"found 28\.97 x 28\.97 um per pixel in he-node-29um\.dcm"):
        open_slide(shared / "slides" / "he-node-29um.dcm")


def test_real_tiny_slides_are_read(shared):
    for path in sorted((shared / "tiny").iterdir()):
        with open_slide(path) as slide:
            assert slide.read(slide.info.region).rgb.shape == (16, 16, 3)


@pytest.mark.parametrize("percent", [10, 50, 90])
def test_truncated_real_slides(shared, tmp_path, percent):
    """Either refused at once, or a tile is what it was in the whole file, or it says it is gone."""
    for path in sorted((shared / "slides").iterdir()):
        data = path.read_bytes()
        cut = tmp_path / f"cut{path.suffix}"
        cut.write_bytes(data[: len(data) * percent // 100])
        try:
            slide = open_slide(cut, HALF)
        except MicrometError as error:
            assert "\n" not in str(error)  # noqa: PT017
            continue
        with slide, open_slide(path, HALF) as whole:
            for tile in list(slide.tiles)[::50]:
                try:
                    assert_array_equal(slide.read(tile).rgb, whole.read(tile).rgb)
                except UnreadableSlideError as error:
                    assert cut.name in str(error)  # noqa: PT017


@pytest.mark.parametrize("codec", ["jpeg-420-tables", "deflate", "jpeg2000-ycbcr"])
def test_damaged_files_raise_nothing_but_our_errors_and_quote_no_tag(tmp_path, pixels, codec):
    """Bytes of the header changed at random: refused, or read, in one line and without private text."""
    data = write_tiff(tmp_path / "a.svs", [pixels], codec, 64, aperio(pixels)).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(data)
        for position in rng.integers(0, 700, rng.integers(1, 4)):
            damaged[position] = rng.integers(256)
        path = tmp_path / "b.svs"
        path.write_bytes(damaged)
        try:
            with open_slide(path) as slide:
                slide.read(slide.tiles[0, 0])
        except MicrometError as error:
            assert "\n" not in str(error)  # noqa: PT017
            assert "somebody" not in str(error)  # noqa: PT017
