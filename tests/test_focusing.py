"""Focus of whole slides: as they are, blurred, and blurred in part."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from micromet_path.config import Config
from micromet_path.errors import UnreadableSlideError
from micromet_path.geometry import PixelSpacing, Region
from micromet_path.pipeline.focusing import measure_focus
from micromet_path.pipeline.glass import look
from micromet_path.pixels.area import Area
from micromet_path.pixels.focus import FocusParams
from micromet_path.slides import open_slide
from micromet_path.slides.array_slide import ArraySlide

SAMPLES = Path(__file__).resolve().parents[1] / "sample_slides"
PARAMS = FocusParams()


@cache
def pixels(name):
    with open_slide(SAMPLES / f"{name}.svs") as slide:
        return slide.read(slide.info.region).rgb, slide.info.spacing


@cache
def blurred(name, sigma_um, end=None):
    """A committed slide with the blur of a lens on its columns up to one."""
    rgb, spacing = pixels(name)
    rgb = rgb.copy()
    light = rgb[:, :end].astype(np.float32)
    sigma = sigma_um / spacing.x_um
    rgb[:, :end] = np.rint(gaussian_filter(light, (sigma, sigma, 0), truncate=3)).astype(np.uint8)
    return ArraySlide(rgb, spacing)


def focus_of(slide, workers=1, seed=0, params=PARAMS):
    glass = look(slide, Config(), Area())
    return measure_focus(slide, glass, params, workers, seed), glass


@pytest.mark.parametrize("name", ["itc", "macro", "micro", "negative"])
def test_the_committed_slides_are_in_focus(name):
    with open_slide(SAMPLES / f"{name}.svs") as slide:
        focus, _ = focus_of(slide, workers=2)
    assert focus.share == 1.0
    assert focus.low < 0.95 < focus.high
    assert focus.known_share > 0.99
    assert focus.n_measured >= 0.9 * focus.n_places >= 40


@pytest.mark.parametrize(("sigma_um", "is_sharp"), [(0.8, True), (2.0, False), (4.0, False), (12.0, False)])
def test_a_blurred_slide_is_out_of_focus(sigma_um, is_sharp):
    focus, _ = focus_of(blurred("negative", sigma_um))
    if is_sharp:
        assert focus.share == 1.0
    else:
        assert focus.share < 0.05


@pytest.mark.parametrize("part", [0.25, 0.5, 0.8])
def test_the_share_is_that_of_the_tissue_that_was_not_blurred(part):
    width = pixels("macro")[0].shape[1]
    slide = blurred("macro", 3.0, int(part * width))
    focus, glass = focus_of(slide)
    expected = glass.tissue[:, int(part * glass.overview.shape[1]) :].sum() / glass.tissue.sum()
    assert focus.share == pytest.approx(expected, abs=0.07)
    assert focus.low <= expected <= focus.high
    on = focus.on(glass.overview)
    left, right = on[:, : int((part - 0.08) * on.shape[1])], on[:, int((part + 0.08) * on.shape[1]) :]
    assert np.mean(left[~np.isnan(left)] > PARAMS.largest_blur_um) > 0.97
    assert np.mean(right[~np.isnan(right)] <= PARAMS.largest_blur_um) > 0.97


def test_workers_change_nothing_and_the_seed_chooses_the_places():
    slide = blurred("macro", 3.0, 2000)
    one, three = focus_of(slide)[0], focus_of(slide, workers=3)[0]
    np.testing.assert_array_equal(one.blur_um, three.blur_um)
    assert (one.share, one.low, one.high) == (three.share, three.low, three.high)
    other = focus_of(slide, seed=1)[0]
    assert not np.array_equal(one.blur_um, other.blur_um, equal_nan=True)
    assert other.share == pytest.approx(one.share, abs=0.1)


def test_a_blurred_place_gets_a_second_look():
    slide = blurred("macro", 3.0, 600)
    focus, hasty = (focus_of(slide, params=FocusParams(second_look=n))[0] for n in (3, 0))
    assert hasty.n_places == 48 < focus.n_places <= 72


def test_little_is_read_of_a_large_slide():
    rgb, spacing = pixels("negative")
    large = np.tile(rgb, (3, 3, 1))
    read = []

    class Counted(ArraySlide):
        def read(self, region, spacing=None, out=None, **options):
            if spacing is None:
                read.append(region)
            return super().read(region, spacing, out, **options)

    slide = Counted(large, spacing)
    glass = look(slide, Config(), Area())
    read.clear()  # the white and the dyes are looked for at level 0 as well
    focus = measure_focus(slide, glass, PARAMS)
    assert focus.share == 1.0
    assert len(read) == focus.n_places <= PARAMS.most_places
    assert len(set(read)) == len(read)


def test_what_cannot_be_decoded_is_not_known():
    rgb, spacing = pixels("negative")
    half = rgb.shape[1] // 2

    class Damaged(ArraySlide):
        def read(self, region, spacing=None, out=None, **options):
            if spacing is None and region.x1 > half:
                raise UnreadableSlideError("cut")
            return super().read(region, spacing, out, **options)

    focus, _ = focus_of(Damaged(rgb, spacing), params=FocusParams(reach_um=300.0))
    assert focus.share == 1.0
    assert focus.known_share < 0.9
    assert focus.n_measured < focus.n_places


def test_bare_glass_has_no_focus():
    focus, _ = focus_of(ArraySlide(np.full((1200, 900, 3), 243, np.uint8), PixelSpacing(0.5, 0.5)))
    assert (focus.share, focus.n_places, focus.known_share) == (None, 0, 0.0)


def test_the_real_slide_is_in_focus_and_would_not_be_if_blurred(shared):
    with open_slide(shared / "slides" / "ihc-dab-1065626.svs") as slide:
        focus, _ = focus_of(slide, workers=2)
        part = slide.read(Region(7000, 6600, 8800, 7900)).rgb
        spacing = slide.info.spacing
    assert focus.share == 1.0
    assert focus.n_measured >= 15
    sigma = 2.0 / spacing.x_um
    soft = np.rint(gaussian_filter(part.astype(np.float32), (sigma, sigma, 0))).astype(np.uint8)
    assert focus_of(ArraySlide(part, spacing))[0].share == 1.0
    assert focus_of(ArraySlide(soft, spacing))[0].share < 0.05
