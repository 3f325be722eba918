"""Colours out of register: found by windows, moved back by scipy's judge, and not taken for stain."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from micromet_path.config import Config
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.model import Runs
from micromet_path.pipeline import Task, analyze_slide
from micromet_path.pixels.registration import IN_REGISTER, Register, agreed_register, register_of, stain_left
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
    assert IN_REGISTER.notes(PixelSpacing(0.5, 0.5)) == ()


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


def test_what_is_left_is_added():
    once, rest = Register((0.5, -0.2), (-0.3, 0.1)), Register((-0.1, 0.0), (0.05, 0.2))
    assert once.plus(rest).red_px == pytest.approx((0.4, -0.2))
    assert once.plus(rest).blue_px == pytest.approx((-0.25, 0.3))


@pytest.mark.parametrize("steps", [(1, 1), (2, 2), (2, 3)])
@pytest.mark.parametrize("seed", range(10))
def test_stain_of_fragments_is_that_of_their_pixels(seed, steps):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, (30, 24))
    runs = Runs(*(np.array(column, np.int32) for column in zip(
        *((y + 7, x + 5, x + 6, label - 1) for (y, x), label in np.ndenumerate(labels) if label), strict=True
    )))  # fmt: skip
    corner = (5 + int(rng.integers(0, 3)) * steps[0], 7 + int(rng.integers(0, 3)) * steps[1])
    planes = tuple(rng.normal(0.2, 0.1, (30 // steps[1] - 2, 24 // steps[0] - 2)) for _ in range(2))

    found = stain_left(runs, 3, corner, steps, planes, 0.25) + stain_left(runs, 3, corner, steps, planes, 0.25)

    wide = [np.kron(plane, np.ones(steps[::-1])) for plane in planes]
    rows, columns = wide[0].shape
    seen = labels[corner[1] - 7 : corner[1] - 7 + rows, corner[0] - 5 : corner[0] - 5 + columns]
    wide = [plane[: seen.shape[0], : seen.shape[1]] for plane in wide]
    for fragment in range(3):
        own = seen == fragment + 1
        assert found.found[fragment] == pytest.approx(2 * wide[0][own].sum())
        assert found.left[fragment] == pytest.approx(2 * wide[1][own].sum())
        assert found.left_px[fragment] == 2 * np.count_nonzero(wide[1][own] >= 0.25)
    assert (found.share_gone <= 1).all()
    assert stain_left(runs, 3, (500, 500), steps, planes, 0.25).share_gone.tolist() == [0, 0, 0]


def test_pixels_of_another_size_lie_less_apart():
    assert Register((1.0, 0.75), (-1.0, 0.0)).in_steps((2, 3)) == Register((0.5, 0.25), (-0.5, 0.0))


def nuclei(seed, register=IN_REGISTER, brown=(), od=0.7, dark=(0.5, 1.6)):
    """A lymph node of dark nuclei at 0.5 um, with discs of brown around nuclei, as a lens of a short focus sees it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:1024, :1024]
    blue = np.zeros((1024, 1024))
    for cx, cy in rng.uniform(150, 870, (2200, 2)):
        box = np.s_[int(cy) - 8 : int(cy) + 9, int(cx) - 8 : int(cx) + 9]
        blue[box] = np.maximum(blue[box], rng.uniform(*dark) * (np.hypot(x[box] - cx, y[box] - cy) < 6))
    stain = np.zeros_like(blue)
    for cx, cy, radius in brown:
        away = np.hypot(x - cx, y - cy)
        stain[away < radius], blue[away < radius] = od, 0
        blue[away < radius / 2] = 0.6
    vectors = np.array([[0.62, 0.66, 0.42], [0.27, 0.57, 0.78]])
    density = blue[..., None] * vectors[0] + stain[..., None] * vectors[1]
    light = 244 * 10 ** -ndimage.gaussian_filter(density, (0.8, 0.8, 0)) + rng.normal(0, 1.2, (1024, 1024, 3))
    return displaced(np.clip(np.rint(light), 0, 255).astype(np.uint8), register)


def times(factor):
    """Red and blue 1.4 px apart, so many times."""
    return Register((-0.7 * factor, 0.35 * factor), (0.55 * factor, -0.3 * factor))


CELLS = [(300, 400, 14), (700, 300, 14), (720, 310, 14), (500, 700, 14), (600, 560, 14)]
"""Four things, of which the largest is two cells side by side: 25 um."""


def analyzed(rgb):
    slide = ArraySlide(rgb, PixelSpacing(0.5, 0.5))
    return analyze_slide(slide, Config(), Task("slide", "0" * 64)).analysis


def counted(analysis):
    return [row for row, counting in enumerate(analysis.clusters.counting) if counting.value != "not_counted"]


@pytest.mark.parametrize("dark", [(0.5, 1.6), (1.0, 1.8)])
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.1])
def test_fringes_beside_nuclei_are_not_counted(factor, dark):
    analysis = analyzed(nuclei(3, times(factor), dark=dark))

    assert analysis.finding.category.value == "negative"
    assert any("in register" in note for note in analysis.scan.stain_notes)
    assert not counted(analysis)
    assert analysis.scan.threshold_od == 0.2  # fringes are no weak stain


@pytest.mark.parametrize("dark", [(0.5, 1.6), (1.0, 1.8)])
@pytest.mark.parametrize("factor", [0.0, 0.1, 0.2])
def test_colours_less_apart_than_is_told_leave_nothing_that_looks_like_dots(factor, dark):
    analysis = analyzed(nuclei(4, times(factor), dark=dark))

    assert not any("in register" in note for note in analysis.scan.stain_notes)
    assert len(analysis.clusters) == 0


@pytest.mark.parametrize("dark", [(0.5, 1.6), (1.0, 1.8)], ids=str)
@pytest.mark.parametrize("od", [0.35, 0.45, 0.7])
@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.1])
def test_cells_among_fringes_are_counted_and_no_larger_than_they_are(factor, od, dark):
    analysis = analyzed(nuclei(2, times(factor), CELLS, od, dark))

    boxes = [Region(*analysis.clusters.bbox_px0[row].tolist()) for row in counted(analysis)]
    for x, y, _ in CELLS:
        assert any(box.x0 <= x < box.x1 and box.y0 <= y < box.y1 for box in boxes)
    assert len(boxes) == 4
    assert analysis.finding.max_diameter_um == pytest.approx(26, abs=3)
    assert any("in register" in note for note in analysis.scan.stain_notes) == (factor > 0)
    assert all(0 < thing.cluster_id <= len(analysis.clusters) for thing in analysis.brownest if thing.cluster_id)


def test_a_sheet_of_tumour_among_fringes_is_whole():
    cells = [(500 + 20 * i, 500 + 20 * j, 14) for i in range(6) for j in range(6)]
    in_place, apart = (analyzed(nuclei(2, times(factor), cells)) for factor in (0.0, 1.0))
    assert len(counted(apart)) == 1
    # Crescents of nuclei that touch it are one with it.
    assert -3 < apart.finding.max_diameter_um - in_place.finding.max_diameter_um < 10


def test_colours_too_far_apart_are_told():
    analysis = analyzed(nuclei(2, times(1.5), CELLS))
    assert any("too far to be put in register" in note for note in analysis.scan.stain_notes)
