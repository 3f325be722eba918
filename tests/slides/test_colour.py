"""Every way in which pixels come out of a slide, against LittleCMS itself and against formulas."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from PIL import Image, ImageCms
from PIL._util import DeferredError

from micromet_path.errors import MicrometError, ReaderError, UnreadableSlideError, UnsupportedSlideError
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.slides import ArraySlide, OpenSlideSlide, Slide, SrgbSlide, TiffSlide, in_srgb, open_slide
from micromet_path.slides.base import Raster
from micromet_path.slides.openslide_reader import open_openslide
from tests.profiles import MARKER, SRGB, matrix_profile, srgb_of_power, swapped_profile

from .conftest import aperio, halved, tissue, write_tiff

QUARTER = PixelSpacing(0.25, 0.25)
LITTLECMS_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def by_littlecms(rgb: np.ndarray, profile: bytes) -> np.ndarray:
    source = ImageCms.getOpenProfile(BytesIO(profile))
    intent = ImageCms.Intent(ImageCms.getDefaultIntent(source))
    image = Image.fromarray(rgb)
    done = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), intent, "RGB")
    return np.asarray(done)


class Profiled(ArraySlide):
    """An array of which a profile is known, at 0.25 um; its own pixels come out of it, not copies."""

    def __init__(self, rgb: np.ndarray, profile: bytes | None, scanned: np.ndarray | None = None) -> None:
        super().__init__(rgb, QUARTER, scanned=scanned)
        self._profile = profile

    @property
    def icc_profile(self) -> bytes | None:
        return self._profile

    def read(
        self,
        region: Region,
        spacing: PixelSpacing | None = None,
        out: np.ndarray | None = None,
        *,
        workers: int = 1,
    ) -> Raster:
        if spacing is None and out is None and self.scanned is None:
            return Raster(self.rgb[region.y0 : region.y1, region.x0 : region.x1])
        return super().read(region, spacing, out, workers=workers)


def svs_with(profile: bytes | None, folder: Path, pixels: np.ndarray, tag_type: int = 7) -> Path:
    """An Aperio slide of two levels without loss; the profile is a tag of each."""
    tags = [] if profile is None else [(34675, tag_type, len(profile), profile, True)]
    path = folder / "profiled.svs"
    with tifffile.TiffWriter(path) as writer:
        for level, description in ((pixels, aperio(pixels)), (halved(pixels), None)):
            options = {"tile": (64, 64), "compression": "lzw", "photometric": "rgb", "metadata": None}
            writer.write(level, description=description, extratags=tags, **options)
    return path


def every_read(slide: Slide) -> list[np.ndarray]:
    """Overview, averages of a lower level and of level 0, stored tiles, a window, a reused buffer."""
    region, window = slide.info.region, Region(13, 7, 222, 181)
    buffer = np.empty((400, 500, 3), np.uint8)
    found = [slide.read(region, PixelSpacing(size, size)).rgb for size in (0.25, 0.4, 0.5, 1.7)]
    found += [slide.read(tile).rgb for tile in list(slide.tiles)[:5]]
    found += [slide.read(window).rgb, slide.read(window, PixelSpacing(0.35, 0.5)).rgb]
    return [*found, slide.read(region, out=buffer).rgb, slide.read(window, out=buffer[:174, :209].copy()).rgb]


# -- the colours ---------------------------------------------------------------------------------


@pytest.mark.parametrize("opened", [open_slide, open_openslide])
def test_every_read_is_transformed_alike(tmp_path, pixels, opened):
    profile = swapped_profile()
    with opened(svs_with(profile, tmp_path, pixels)) as stored:
        slide = in_srgb(stored)
        assert isinstance(stored, TiffSlide if opened is open_slide else OpenSlideSlide)
        assert isinstance(slide, SrgbSlide)
        for before, after in zip([one.copy() for one in every_read(stored)], every_read(slide), strict=True):
            assert_array_equal(after, by_littlecms(before, profile))
            assert np.abs(after.astype(int) - before[..., ::-1]).max() <= 1
            assert np.abs(after.astype(int) - before).max() > 20


@pytest.mark.parametrize("power", [1.0, 1.8, 2.2])
def test_a_power_is_what_the_formula_makes_of_it(power):
    rgb = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    slide = in_srgb(Profiled(rgb, matrix_profile(curve=(power,))))
    assert np.abs(slide.read(slide.info.region).rgb - srgb_of_power(rgb, power)).max() < 1.2


@pytest.mark.parametrize(
    "profile", [matrix_profile(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()]
)
def test_srgb_stays_what_it_is(pixels, profile):
    slide = in_srgb(Profiled(pixels, profile))
    for before, after in zip(every_read(Profiled(pixels, None)), every_read(slide), strict=True):
        assert np.abs(after.astype(int) - before).max() <= 1


@given(
    rgb=arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))),
    primaries=st.permutations(SRGB),
    power=st.floats(0.5, 3.0),
    intent=st.integers(0, 3),
)
def test_any_pixels_by_any_profile_are_those_of_littlecms(rgb, primaries, power, intent):
    profile = matrix_profile(primaries, (power,), intent=intent)
    slide = in_srgb(Profiled(rgb.copy(), profile))
    assert_array_equal(slide.read(slide.info.region).rgb, by_littlecms(rgb, profile))


def test_large_regions_are_transformed_whole():
    rgb = np.random.default_rng(1).integers(0, 256, (1031, 700, 3), dtype=np.uint8)
    slide = in_srgb(Profiled(rgb, swapped_profile()))
    assert_array_equal(slide.read(slide.info.region).rgb, by_littlecms(rgb, swapped_profile()))


def test_what_was_not_scanned_stays_white(pixels):
    scanned = np.ones(pixels.shape[:2], bool)
    scanned[:100, :100] = False
    yellow = matrix_profile((SRGB[0], SRGB[1], tuple(value / 2 for value in SRGB[2])))  # its white is none of sRGB's
    slide = in_srgb(Profiled(pixels, yellow, scanned))
    assert (by_littlecms(np.full((1, 1, 3), 255, np.uint8), yellow) != 255).any()
    for spacing in (None, PixelSpacing(0.5, 0.5)):
        raster = slide.read(slide.info.region, spacing)
        assert raster.scanned is not None
        assert (raster.rgb[~raster.scanned] == 255).all()


def test_a_buffer_is_filled_in_place_and_the_slide_s_own_pixels_are_left(pixels):
    kept, buffer = pixels.copy(), np.zeros((400, 500, 3), np.uint8)
    slide = in_srgb(Profiled(pixels, swapped_profile()))
    raster = slide.read(slide.info.region)
    assert not np.shares_memory(raster.rgb, pixels)
    assert_array_equal(pixels, kept)
    again = slide.read(slide.info.region, out=buffer)
    assert np.shares_memory(again.rgb, buffer)
    assert_array_equal(again.rgb, raster.rgb)
    assert not buffer[300:].any()
    assert not buffer[:, 420:].any()


@pytest.mark.parametrize("intent", range(4))
def test_threads_share_a_transform(intent):
    pixels = tissue(512, 512)
    slide = in_srgb(Profiled(pixels, matrix_profile(curve=(1.8,), intent=intent)))
    tiles = list(slide.tiles) * 50
    alone = [slide.read(tile).rgb for tile in tiles[: len(slide.tiles)]] * 50
    with ThreadPoolExecutor(8) as pool:
        for one, other in zip(pool.map(lambda tile: slide.read(tile).rgb, tiles), alone, strict=True):
            assert_array_equal(one, other)


# -- where a profile is found --------------------------------------------------------------------


@pytest.mark.parametrize("tag_type", [1, 7], ids=["byte", "undefined"])
def test_both_readers_find_the_bytes_of_the_profile(tmp_path, pixels, tag_type):
    profile = swapped_profile()
    path = svs_with(profile, tmp_path, pixels, tag_type)
    with open_slide(path) as fast, open_openslide(path) as slow:
        assert fast.icc_profile == slow.icc_profile == profile


def test_no_reader_finds_one_where_there_is_none(svs, pixels):
    with open_slide(svs) as fast, open_openslide(svs) as slow:
        assert fast.icc_profile is slow.icc_profile is ArraySlide(pixels, QUARTER).icc_profile is None


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_plain_images_keep_their_profile(tmp_path, pixels, name):
    profile = swapped_profile()
    Image.fromarray(pixels).save(tmp_path / name, icc_profile=profile)
    Image.fromarray(pixels).save(tmp_path / f"without-{name}")
    with open_slide(tmp_path / name, QUARTER) as slide, open_slide(tmp_path / f"without-{name}", QUARTER) as without:
        assert slide.icc_profile == profile
        assert without.icc_profile is None
        stored = slide.read(slide.info.region).rgb
        assert_array_equal(in_srgb(slide).read(slide.info.region).rgb, by_littlecms(stored, profile))


def test_profiles_of_real_slides_are_found_alike_and_can_be_used(shared):
    found = 0
    for path in sorted((shared / "slides").iterdir()):
        try:
            slide = open_slide(path)
        except MicrometError:
            continue
        with slide:
            profile = slide.icc_profile
            if profile is None:
                continue
            found += 1
            corner = Region(0, 0, 64, 64)
            assert_array_equal(in_srgb(slide).read(corner).rgb, by_littlecms(slide.read(corner).rgb, profile))
            if isinstance(slide, TiffSlide):
                with open_openslide(path) as judge:
                    assert judge.icc_profile == profile
    if not found:
        pytest.skip("none of the real slides here embeds a profile")


# -- what is said of it --------------------------------------------------------------------------


def test_the_slide_says_what_was_done(tmp_path, pixels):
    profile = swapped_profile()
    with open_slide(svs_with(profile, tmp_path, pixels)) as stored:
        info = in_srgb(stored).info
        assert (stored.info.colour, stored.info.icc_sha256) == ("as stored", None)
        assert (info.colour, info.icc_sha256) == (
            "sRGB from the embedded profile",
            hashlib.sha256(profile).hexdigest(),
        )
        assert info.warnings == stored.info.warnings
        assert info.region == stored.info.region
        assert in_srgb(stored).tiles == stored.tiles
        assert isinstance(in_srgb(stored), Slide)
        assert MARKER.encode("utf-16-be") in profile
        assert MARKER not in repr(info) + repr(in_srgb(stored))


def test_transformed_pixels_have_no_profile_left_to_apply(pixels):
    once = in_srgb(Profiled(pixels, swapped_profile()))
    assert once.icc_profile is None


def test_without_a_profile_pixels_are_as_stored_and_that_is_told(pixels):
    stored = Profiled(pixels, None)
    slide = in_srgb(stored)
    assert (slide.info.colour, slide.info.icc_sha256) == ("as stored", None)
    (warning,) = slide.info.warnings
    assert warning.startswith("the slide embeds no ICC profile: its colours are used as stored")
    assert isinstance(slide, Slide)
    for before, after in zip(every_read(stored), every_read(slide), strict=True):
        assert_array_equal(after, before)


def test_closing_it_closes_the_file(svs):
    with in_srgb(open_slide(svs)) as slide:
        slide.read(slide.tiles[0, 0])
    with pytest.raises(ValueError, match="closed"):
        slide.read(slide.tiles[0, 0])


# -- profiles that cannot be used ----------------------------------------------------------------

WHOLE = matrix_profile()
BROKEN = {
    "empty": (b"", "cannot be read"),
    "junk": (bytes(500), "cannot be read"),
    "cut short": (WHOLE[:-40], "is cut short (it states"),
    "header alone": (len(WHOLE[:128]).to_bytes(4, "big") + WHOLE[4:128], "cannot be read"),
    "no primaries": (WHOLE.replace(b"rXYZ", b"xxxx"), "cannot be read"),
    "an intent that there is not": (matrix_profile(intent=9), "cannot be read"),
}


@pytest.mark.parametrize(("profile", "what"), BROKEN.values(), ids=BROKEN)
def test_a_damaged_profile_is_refused_in_one_line(pixels, profile, what):
    with pytest.raises(UnreadableSlideError) as caught:
        in_srgb(Profiled(pixels, profile))
    text = str(caught.value)
    assert text.startswith(f"array embeds an ICC profile of {len(profile):,} bytes that {what}")
    assert "expected a profile of red, green and blue" in text
    assert 'set icc = "ignore" under [scan]' in text
    assert "\n" not in text
    assert MARKER not in text


@pytest.mark.parametrize("space", [b"CMYK", b"GRAY", b"Lab "])
def test_a_profile_of_other_colours_is_refused(pixels, space):
    with pytest.raises(UnsupportedSlideError, match="describes other colours than red, green and blue"):
        in_srgb(Profiled(pixels, matrix_profile(space=space)))


@pytest.mark.parametrize(
    ("claimed", "found"), [((2**32 - 1, None), 0), ((600, 2**32 - 1), 0), ((100, None), 100)], ids=str
)
def test_a_tag_whose_profile_is_not_there_is_a_damaged_profile_and_not_none(tmp_path, pixels, claimed, found):
    path = svs_with(swapped_profile(), tmp_path, pixels)
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[0].tags[34675]
        place, offset = tag.offset + 4, tag.valueoffset
    with path.open("r+b") as file:
        file.seek(place)
        file.write(claimed[0].to_bytes(4, "little") + (claimed[1] or offset).to_bytes(4, "little"))
    with open_slide(path) as slide, pytest.raises(UnreadableSlideError, match=f"an ICC profile of {found} bytes"):
        in_srgb(slide)


def test_a_png_whose_profile_does_not_unpack_is_no_image_without_one(tmp_path, pixels):
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path, icc_profile=swapped_profile())
    data = bytearray(path.read_bytes())
    at = data.index(b"iCCP") + 4 + len(b"ICC Profile\0\0") + 20
    data[at : at + 20] = bytes(20)
    start = data.index(b"iCCP")
    length = int.from_bytes(data[start - 4 : start], "big")
    data[start + 4 + length : start + 8 + length] = zlib.crc32(data[start : start + 4 + length]).to_bytes(4, "big")
    path.write_bytes(data)
    with open_slide(path, QUARTER) as slide, pytest.raises(UnreadableSlideError, match=r"a\.png"):
        in_srgb(slide)


def test_pillow_without_littlecms_is_told(pixels, monkeypatch):
    monkeypatch.setattr(ImageCms, "core", DeferredError(ImportError("no _imagingcms")))
    with pytest.raises(ReaderError, match="Pillow comes without LittleCMS"):
        in_srgb(Profiled(pixels, swapped_profile()))


# -- what it costs those who do not ask for it ---------------------------------------------------


def test_ignored_profiles_load_no_colour_management(tmp_path, pixels):
    path = write_tiff(tmp_path / "a.svs", [pixels], "lzw", 64, aperio(pixels))
    program = (
        "import sys\nfrom pathlib import Path\n"
        "import micromet_path.pipeline.flow\nfrom micromet_path.slides.tiff_reader import open_tiff\n"
        f"with open_tiff(Path({str(path)!r})) as slide: slide.read(slide.info.region)\n"
        "sys.exit('PIL.ImageCms' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
