"""What is refused as not brightfield, and what must never be."""

from __future__ import annotations

import numpy as np
import pytest

from micromet_path.errors import UnsupportedSlideError
from micromet_path.geometry import PixelSpacing
from micromet_path.slides import ArraySlide, check_brightfield, open_slide

from .conftest import tissue

HALF = PixelSpacing(0.5, 0.5)


def check(rgb: np.ndarray) -> None:
    check_brightfield(rgb, ArraySlide(rgb, HALF).info)


def stars(background: int, colour: tuple[int, int, int]) -> np.ndarray:
    rng = np.random.default_rng(0)
    picture = np.full((200, 200, 3), background, np.uint8)
    picture += rng.integers(0, 6, picture.shape, dtype=np.uint8)
    picture[rng.random((200, 200)) < 0.05] = colour
    return picture


@pytest.mark.parametrize("colour", [(20, 40, 220), (10, 230, 30), (240, 20, 20), (90, 90, 120)])
@pytest.mark.parametrize("background", [0, 12, 40])
def test_light_on_darkness_is_refused(background, colour):
    with pytest.raises(UnsupportedSlideError, match="light on a dark background"):
        check(stars(background, colour))


@pytest.mark.parametrize("value", [0, 3, 128, 240, 255])
def test_uniform_pictures_pass(value):
    check(np.full((50, 50, 3), value, np.uint8))


def test_dark_noise_without_signal_passes():
    check(np.random.default_rng(0).integers(0, 12, (100, 100, 3)).astype(np.uint8))


def test_small_bright_scan_in_a_black_surrounding_passes():
    picture = np.zeros((300, 300, 3), np.uint8)
    picture[100:150, 100:150] = tissue(50, 50)
    picture[100:120, 100:150] = 240
    check(picture)


def test_unscanned_white_is_no_glass():
    picture = stars(5, (20, 40, 220))
    picture[:100] = 255
    check(picture)
    scanned = np.ones((200, 200), bool)
    scanned[:100] = False
    with pytest.raises(UnsupportedSlideError, match="light on a dark background"):
        check_brightfield(picture, ArraySlide(picture, HALF).info, scanned)
    check_brightfield(picture, ArraySlide(picture, HALF).info, np.zeros((200, 200), bool))


def test_black_drawing_on_pure_white_passes():
    picture = np.full((200, 200, 3), 255, np.uint8)
    picture[5:195, 5:195] = 0
    picture[100:103, 5:195] = 60
    check(picture)


def test_brown_everywhere_passes():
    check(
        np.full((50, 50, 3), (110, 70, 40), np.uint8) + np.random.default_rng(0).integers(0, 30, (50, 50, 3), np.uint8)
    )


def test_real_tissue_passes():
    skimage_data = pytest.importorskip("skimage.data")
    check(skimage_data.immunohistochemistry())


def test_real_slides(shared):
    for path in sorted((shared / "slides").glob("*.svs")):
        with open_slide(path, HALF) as slide:
            check_brightfield(slide.read(slide.info.region, PixelSpacing(8, 8)).rgb, slide.info)


def test_real_fluorescence_is_refused(shared):
    (path,) = (shared / "slides").glob("*.ndpi")
    with open_slide(path) as slide:
        for um in (2.0, 4.0, 8.0, 16.0):
            with pytest.raises(UnsupportedSlideError, match="fluorescence"):
                check_brightfield(slide.read(slide.info.region, PixelSpacing(um, um)).rgb, slide.info)


def test_real_images_pass(shared):
    from PIL import Image

    for path in sorted((shared / "images").glob("*.png")):
        check(np.asarray(Image.open(path).convert("RGB")))
