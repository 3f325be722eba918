"""Colours out of register: found by windows, moved back by scipy's judge, and not taken for stain."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from micromet_path.config import Config
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.pipeline import Task, analyze_slide
from micromet_path.pixels.registration import IN_REGISTER, Register, agreed_register, register_of
from micromet_path.slides import ArraySlide, open_slide

SAMPLES = Path(__file__).resolve().parents[2] / "sample_slides"
WHITE = (244.0, 244.0, 244.0)


@cache
def sample(name):
    with open_slide(SAMPLES / f"{name}.svs") as slide:
        return slide.read(slide.info.region).rgb, slide.info.spacing


def displaced(rgb, register):
    """Red and blue moved by scipy's splines of the first order: light falls where the lens bends it."""
    moved = rgb.astype(float)
    for channel, (x, y) in ((0, register.red_px), (2, register.blue_px)):
        moved[..., channel] = ndimage.shift(moved[..., channel], (y, x), order=1, mode="nearest")
    return np.rint(moved).astype(np.uint8)


def some_register(rng, largest):
    return Register(*(tuple(rng.uniform(-largest, largest, 2)) for _ in range(2)))


def windows(rgb, rng, n=12, side=256):
    for _ in range(n):
        y, x = (int(rng.integers(0, size - side)) for size in rgb.shape[:2])
        yield np.ascontiguousarray(rgb[y : y + side, x : x + side])


@pytest.mark.parametrize("name", ["micro", "negative", "macro"])
@pytest.mark.parametrize("seed", range(4))
def test_displacement_is_found_by_windows_of_a_slide(name, seed):
    rng = np.random.default_rng(seed)
    truth = some_register(rng, 0.8)
    rgb = displaced(sample(name)[0], truth)

    found = agreed_register([register_of(window, WHITE) for window in windows(rgb, rng, 24)])

    if truth.apart_px > 0.5:
        assert found is not IN_REGISTER
    if found is not IN_REGISTER:
        assert np.abs(np.subtract(found.red_px, truth.red_px)).max() < 0.2
        assert np.abs(np.subtract(found.blue_px, truth.blue_px)).max() < 0.3  # of which haematoxylin absorbs little


@pytest.mark.parametrize("name", ["micro", "negative", "macro", "itc"])
def test_slides_in_register_are_left_alone(name):
    rgb, _ = sample(name)
    found = [register_of(window, WHITE) for window in windows(rgb, np.random.default_rng(1), 40)]
    assert agreed_register(found) is IN_REGISTER
    assert max(one.apart_px for one in found if one is not None) < 1.0


def test_windows_without_structure_say_nothing():
    rng = np.random.default_rng(0)
    glass = np.clip(244 + rng.normal(0, 1, (64, 64, 3)), 0, 255).astype(np.uint8)
    assert register_of(glass, WHITE) is None
    assert register_of(np.full((64, 64, 3), 244, np.uint8), WHITE) is None
    assert register_of(np.full((2, 2, 3), 244, np.uint8), WHITE) is None


def test_windows_must_agree_and_be_enough():
    one, other = Register((0.5, 0.0), (-0.3, 0.0)), Register((-0.5, 0.4), (0.3, -0.2))
    assert agreed_register([one] * 5 + [None] * 3) == one
    assert agreed_register([one] * 4) is IN_REGISTER
    assert agreed_register([one, other] * 5) is IN_REGISTER
    assert agreed_register([Register((0.1, 0.0), (-0.1, 0.0))] * 9) is IN_REGISTER
    assert agreed_register([]) is IN_REGISTER


@pytest.mark.parametrize("seed", range(20))
def test_colours_are_taken_from_where_they_lie(seed):
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (*rng.integers(3, 40, 2), 3)).astype(np.uint8)
    register = some_register(rng, 2.5)

    found = register.applied(rgb)

    back = Register(*(tuple(-np.asarray(place)) for place in (register.red_px, register.blue_px)))
    assert_array_equal(found[..., 1], rgb[..., 1])
    assert np.abs(found.astype(int) - displaced(rgb, back)).max() <= 1
    assert_array_equal(Register((1.0, 0.0), (0.0, -1.0)).applied(rgb)[1:, :-1, 0], rgb[1:, 1:, 0])
    assert_array_equal(Register((1.0, 0.0), (0.0, -1.0)).applied(rgb)[1:, :, 2], rgb[:-1, :, 2])


def test_pixels_of_another_size_lie_less_apart():
    assert Register((1.0, 0.75), (-1.0, 0.0)).in_steps((2, 3)) == Register((0.5, 0.25), (-0.5, 0.0))


def nuclei(seed, register=IN_REGISTER, brown=()):
    """A lymph node of dark nuclei at 0.5 um, with discs of brown, as a lens of a short focus sees it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:1024, :1024]
    blue = np.zeros((1024, 1024))
    for cx, cy in rng.uniform(150, 870, (2200, 2)):
        box = np.s_[int(cy) - 8 : int(cy) + 9, int(cx) - 8 : int(cx) + 9]
        blue[box] = np.maximum(blue[box], rng.uniform(0.5, 1.6) * (np.hypot(x[box] - cx, y[box] - cy) < 6))
    stain = np.zeros_like(blue)
    for cx, cy, radius in brown:
        stain[np.hypot(x - cx, y - cy) < radius] = 0.7
        blue[np.hypot(x - cx, y - cy) < radius / 2] = 0.6
    vectors = np.array([[0.62, 0.66, 0.42], [0.27, 0.57, 0.78]])
    od = blue[..., None] * vectors[0] + stain[..., None] * vectors[1]
    light = 244 * 10 ** -ndimage.gaussian_filter(od, (0.8, 0.8, 0)) + rng.normal(0, 1.2, (1024, 1024, 3))
    return displaced(np.clip(np.rint(light), 0, 255).astype(np.uint8), register)


APART = Register((-0.7, 0.35), (0.55, -0.3))


def analyzed(rgb):
    slide = ArraySlide(rgb, PixelSpacing(0.5, 0.5))
    return analyze_slide(slide, Config(), Task("slide", "0" * 64)).analysis


@pytest.mark.parametrize("seed", range(3))
def test_fringes_beside_nuclei_are_not_counted(seed):
    analysis = analyzed(nuclei(seed, APART))

    assert analysis.finding.category.value == "negative"
    assert "red and blue of the scan lie" in " ".join(analysis.scan.stain_notes)
    assert not any(counting.value != "not_counted" for counting in analysis.clusters.counting)
    assert analysis.scan.threshold_od == 0.2  # fringes are no weak stain


@pytest.mark.parametrize("register", [IN_REGISTER, APART], ids=["in register", "apart"])
@pytest.mark.parametrize("seed", range(3))
def test_cells_among_fringes_are_counted(seed, register):
    cells = [(300, 400, 14), (700, 300, 14), (720, 310, 14), (500, 700, 14)]
    analysis = analyzed(nuclei(seed, register, cells))

    counted = [row for row, counting in enumerate(analysis.clusters.counting) if counting.value != "not_counted"]
    assert len(counted) == 3
    boxes = [Region(*analysis.clusters.bbox_px0[row].tolist()) for row in counted]
    for x, y, _ in cells:
        assert any(box.x0 <= x < box.x1 and box.y0 <= y < box.y1 for box in boxes)
    assert analysis.finding.max_diameter_um == pytest.approx(25, abs=3)
    assert any("in register" in note for note in analysis.scan.stain_notes) == (register is APART)
