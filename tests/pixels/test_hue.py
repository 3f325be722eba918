"""Colour of stain against the slide's own, from pixels and from sums."""

import numpy as np
import pytest

from micromet_path.pixels.examine_params import ExamineParams
from micromet_path.pixels.hue import SlideHue, hue_of, off_hue_strength, slide_hue
from micromet_path.pixels.stain import OD_SCALE, StainModel, StainParams, WhitePoint, unmix

WHITE = WhitePoint((243.0, 240.0, 238.0), "slide")
MODEL = StainModel.from_dyes(WHITE, StainParams().haematoxylin, StainParams().chromogen, "fixed")
BLUE, BROWN, _ = (np.array(vector) for vector in MODEL.vectors)
MELANIN, IRON, GREY, GREEN = (0.46, 0.54, 0.70), (0.12, 0.42, 0.90), (1.0, 1.0, 1.0), (0.75, 0.25, 0.60)


def sums(*colours, area=400):
    """Sums of fragments of single colours (densities), in the scan's unit."""
    return np.array([np.rint(unmix(np.array(od), MODEL) * area * OD_SCALE) for od in colours]).astype(np.int64)


def hue_at(od):
    """Hue of a flat patch of a colour."""
    rgb = np.broadcast_to(np.rint(np.array(WHITE.rgb) * 10 ** -np.array(od)), (20, 20, 3)).astype(np.uint8)
    return hue_of(rgb, np.ones((20, 20), bool), MODEL, ExamineParams(), SlideHue())


def along(colour, amount):
    return amount * np.array(colour) / np.linalg.norm(colour)


@pytest.mark.parametrize("amount", [0.25, 0.5, 1.0, 1.6])
@pytest.mark.parametrize("blue", [0.0, 0.1, 0.4])
def test_chromogen_over_any_nucleus_is_neither_black_nor_another_brown(amount, blue):
    hue = hue_at(along(BROWN, amount) + along(BLUE, blue))
    assert off_hue_strength(hue.residual, hue.haematoxylin, SlideHue(), ExamineParams()) < 0.1
    assert hue.off_wedge_share < 0.1


@pytest.mark.parametrize("amount", [0.4, 0.8, 1.2])
@pytest.mark.parametrize(("colour", "is_neutral"), [(GREY, True), (BROWN, False), (MELANIN, False), (IRON, False)])
def test_only_black_is_neutral(colour, is_neutral, amount):
    assert (hue_at(along(colour, amount)).neutral_share > 0.9) == is_neutral


@pytest.mark.parametrize("colour", [MELANIN, IRON], ids=["melanin", "iron"])
def test_pigments_are_off_the_hue_of_chromogen(colour):
    hue = hue_at(along(colour, 0.8))
    assert off_hue_strength(hue.residual, hue.haematoxylin, SlideHue(), ExamineParams()) >= 0.5


def test_green_is_outside_the_wedge_of_the_dyes():
    assert hue_at(along(GREEN, 1.0)).off_wedge_share == 1


def test_a_slide_tells_its_own_hue_but_not_a_slide_full_of_melanin():
    dab = np.array([0.30, 0.51, 0.81])
    known = slide_hue(sums(*[along(dab, 0.6)] * 8), OD_SCALE)
    assert known.is_known
    assert known.residual == pytest.approx(unmix(dab, MODEL)[2] / unmix(dab, MODEL)[1], abs=1e-3)
    pigment = slide_hue(sums(*[along(GREY, 0.6)] * 8), OD_SCALE)
    assert pigment.residual == pytest.approx(0.12)
    assert not slide_hue(sums(*[along(dab, 0.6)] * 4), OD_SCALE).is_known
